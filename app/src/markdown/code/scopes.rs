//! From the scopes of a grammar, of which there are thousands, to the few classes of our style sheet.

use std::sync::LazyLock;

use comrak::html::escape;
use syntect::parsing::{Scope, ScopeStack, ScopeStackOp};

/// The first that the innermost scope begins with counts, or else the one around it.
const CLASSES: [(&str, &str); 32] = [
    ("comment", "comment"),
    ("meta.interpolation", ""),
    ("meta.template.expression", ""),
    ("source", ""),
    ("string", "string"),
    ("constant.character.escape", "constant"),
    ("constant.numeric", "number"),
    ("constant", "constant"),
    ("support.constant", "constant"),
    ("variable.language", "constant"),
    ("keyword.operator.logical", "keyword"),
    ("keyword.operator.word", "keyword"),
    ("keyword.operator", ""),
    ("keyword", "keyword"),
    ("storage", "keyword"),
    ("entity.name.function", "function"),
    ("support.function", "function"),
    ("support.macro", "function"),
    ("variable.function", "function"),
    ("variable.annotation", "function"),
    ("meta.annotation", "function"),
    ("entity.name.tag", "keyword"),
    ("entity.name.section", "type"),
    ("entity.name", "type"),
    ("entity.other.attribute-name", "function"),
    ("entity.other.inherited-class", "type"),
    ("support.class", "type"),
    ("support.type", "type"),
    ("markup.heading", "keyword"),
    ("markup.inserted", "inserted"),
    ("markup.deleted", "deleted"),
    ("meta.diff", "comment"),
];

static SCOPES: LazyLock<Vec<(Scope, &str)>> = LazyLock::new(|| {
    let scope = |&(name, class)| Some((Scope::new(name).ok()?, class));
    CLASSES.iter().filter_map(scope).collect()
});

/// A line as HTML; `changes` are where its words begin and end.
pub(super) fn html(
    line: &str,
    changes: &[(usize, ScopeStackOp)],
    scopes: &mut ScopeStack,
) -> Option<String> {
    let mut html = String::with_capacity(line.len() * 2);
    let (mut begun, mut class) = (0, class_of(scopes));
    for (index, (at, change)) in changes.iter().enumerate() {
        scopes.apply(change).ok()?;
        let more = changes.get(index + 1).is_some_and(|(next, _)| next == at);
        let next = class_of(scopes);
        // Neighbours of one class are one element.
        if !more && next != class {
            write(&mut html, line.get(begun..*at)?, class)?;
            (begun, class) = (*at, next);
        }
    }
    write(&mut html, line.get(begun..)?, class)?;
    Some(html)
}

fn class_of(scopes: &ScopeStack) -> &'static str {
    let class = |scope: &Scope| {
        let mut known = SCOPES.iter();
        let found = known.find(|(known, _)| known.is_prefix_of(*scope))?;
        Some(found.1)
    };
    scopes.as_slice().iter().rev().find_map(class).unwrap_or("")
}

/// The end of the line stays outside, where it is no part of what may be marked.
fn write(html: &mut String, text: &str, class: &str) -> Option<()> {
    let word = text.trim_end_matches('\n');
    if class.is_empty() || word.trim().is_empty() {
        return escape(html, text).ok();
    }
    html.push_str("<span class=\"");
    html.push_str(class);
    html.push_str("\">");
    escape(html, word).ok()?;
    html.push_str("</span>");
    html.push_str(&text[word.len()..]);
    Some(())
}
