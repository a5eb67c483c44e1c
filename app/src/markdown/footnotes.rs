//! Footnotes. They stand where they are written, with the number of their first reference, which leads back to it.

use std::collections::HashMap;
use std::fmt::{self, Write};

use comrak::nodes::{Node, NodeFootnoteReference, NodeValue};

use super::{Html, direction};

/// The footnotes of a whole text.
pub(super) struct Notes {
    /// What their ids begin with.
    id: String,
    /// By name, of those that are referred to.
    numbers: HashMap<String, u32>,
}

impl Notes {
    pub(super) fn of(root: Node<'_>, id: &str) -> Self {
        let numbers = root
            .descendants()
            .filter_map(|node| match &node.data().value {
                NodeValue::FootnoteReference(reference) => {
                    Some((reference.name.clone(), reference.ix))
                }
                _ => None,
            });
        Self {
            id: id.to_owned(),
            numbers: numbers.collect(),
        }
    }
}

/// In a text that is not whole it is what was written, as a reference is whose footnote is in another piece.
pub(super) fn write_reference(
    html: &mut Html<'_, '_, '_>,
    reference: &NodeFootnoteReference,
) -> fmt::Result {
    let Some(Notes { id, .. }) = &html.user.notes else {
        html.write_str("[^")?;
        html.escape(&reference.name)?;
        return html.write_str("]");
    };
    let (id, number) = (id.clone(), reference.ix);
    html.write_str("<sup><a href=\"#")?;
    html.escape(&id)?;
    write!(html, "-note-{number}\"")?;
    if reference.ref_num == 1 {
        html.write_str(" id=\"")?;
        html.escape(&id)?;
        write!(html, "-reference-{number}\"")?;
    }
    let label = html.user.outline.t.footnote(number);
    write!(html, " aria-label=\"{label}\">{number}</a></sup>")
}

pub(super) fn write(
    html: &mut Html<'_, '_, '_>,
    node: Node<'_>,
    name: &str,
    entering: bool,
) -> fmt::Result {
    if !entering {
        html.cr()?;
        return html.write_str("</div></div>\n");
    }
    html.cr()?;
    let notes = html.user.notes.as_ref();
    let linked = notes.and_then(|notes| Some((notes.id.clone(), *notes.numbers.get(name)?)));
    let direction = direction::of(node);
    html.write_str("<div class=\"footnote\"")?;
    match linked {
        Some((id, number)) => {
            html.write_str(" id=\"")?;
            html.escape(&id)?;
            write!(html, "-note-{number}\" dir=\"{direction}\"><a href=\"#")?;
            html.escape(&id)?;
            let label = html.user.outline.t.footnote_back(number);
            write!(
                html,
                "-reference-{number}\" aria-label=\"{label}\">{number}</a>"
            )?;
        }
        None => {
            write!(html, " dir=\"{direction}\"><span>")?;
            html.escape(name)?;
            html.write_str("</span>")?;
        }
    }
    html.write_str("<div>\n")
}
