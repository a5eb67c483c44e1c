//! Holds MathML of a library to what our pages may hold: elements and attributes from a list, each closed in its turn,
//! and classes of our style sheet instead of `style`, which the pages' policy would block.

use std::fmt::Write;

pub(super) const ELEMENTS: [&str; 34] = [
    "math",
    "menclose",
    "merror",
    "mfrac",
    "mi",
    "mmultiscripts",
    "mn",
    "mo",
    "mover",
    "mpadded",
    "mphantom",
    "mprescripts",
    "mroot",
    "mrow",
    "ms",
    "mspace",
    "msqrt",
    "mstyle",
    "msub",
    "msubsup",
    "msup",
    "mtable",
    "mtd",
    "mtext",
    "mtr",
    "munder",
    "munderover",
    "b",
    "code",
    "em",
    "i",
    "s",
    "span",
    "u",
];

pub(super) const ATTRIBUTES: [&str; 24] = [
    "accent",
    "accentunder",
    "columnspan",
    "depth",
    "display",
    "displaystyle",
    "fence",
    "form",
    "height",
    "largeop",
    "linethickness",
    "lspace",
    "mathvariant",
    "maxsize",
    "minsize",
    "movablelimits",
    "notation",
    "rspace",
    "scriptlevel",
    "separator",
    "stretchy",
    "symmetric",
    "voffset",
    "width",
];

/// Declarations that mean something in a formula, and the class of `prose.css` that says the same.
const CLASSES: [(&str, &str); 12] = [
    ("text-align: left", "left"),
    ("text-align: right", "right"),
    ("padding-left:1em", "apart"),
    ("padding-left: 0", "near-left"),
    ("padding-right: 0", "near-right"),
    ("padding-top: 0", "near-top"),
    ("padding-bottom: 0", "near-bottom"),
    ("border-left: 0.05em solid currentcolor", "ruled-left"),
    ("border-right: 0.05em solid currentcolor", "ruled-right"),
    ("border-top: 0.05em solid currentcolor", "ruled-top"),
    ("width: 100%", "whole"),
    ("width: 50%", "half"),
];

/// Elements in one another. Browsers take long for many, and no formula that is read has more.
const DEEPEST: usize = 64;

/// The MathML with nothing in it that is not listed; nothing if that would change what it says.
pub(super) fn checked(mathml: &str) -> Option<String> {
    let mut html = String::with_capacity(mathml.len());
    let mut open = Vec::new();
    let mut rest = mathml;
    while let Some((text, tag)) = rest.split_once('<') {
        html.push_str(text);
        let (tag, after) = tag.split_once('>')?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return None;
            }
            write!(html, "</{name}>").ok()?;
            continue;
        }
        let empty = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if !ELEMENTS.contains(&name) || (open.is_empty() != (name == "math")) {
            return None;
        }
        write!(html, "<{name}").ok()?;
        if name == "math" {
            html.push_str(" dir=\"ltr\"");
        }
        write_attributes(&mut html, attributes)?;
        html.push('>');
        if empty {
            write!(html, "</{name}>").ok()?;
        } else {
            open.push(name);
        }
        if open.len() > DEEPEST {
            return None;
        }
    }
    (!html.is_empty() && rest.is_empty() && open.is_empty()).then_some(html)
}

fn write_attributes(html: &mut String, attributes: &str) -> Option<()> {
    let mut rest = attributes.trim();
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"")?;
        let (value, after) = value.split_once('"')?;
        rest = after.trim_start();
        if name == "style" {
            let classes: Vec<_> = value.split(';').filter_map(class).collect();
            if !classes.is_empty() {
                write!(html, " class=\"{}\"", classes.join(" ")).ok()?;
            }
        } else if ATTRIBUTES.contains(&name) {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" .%+-".contains(&byte);
            value.bytes().all(plain).then_some(())?;
            write!(html, " {name}=\"{value}\"").ok()?;
        }
    }
    Some(())
}

fn class(declaration: &str) -> Option<&'static str> {
    let found = CLASSES
        .iter()
        .find(|(style, _)| *style == declaration.trim());
    found.map(|(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn what_is_not_of_mathematics_is_refused() {
        for mathml in [
            "",
            "x",
            "<math>",
            "<math></mi>",
            "<math><mi></math></mi>",
            "<math></math><mi></mi>",
            "<p></p>",
            "<math><script>x</script></math>",
            "<math><a href=\"https://e.example\">x</a></math>",
            "<math><!-- x --></math>",
            "<math><mi mathvariant=normal>x</mi></math>",
            "<math><mspace width=\"1em\nonclick\"/></math>",
            "<math",
        ] {
            assert_eq!(checked(mathml), None, "{mathml}");
        }
    }

    #[test]
    fn styles_become_classes_and_unknown_attributes_go() {
        assert_eq!(
            checked(
                "<math onclick=\"x\" display=\"block\"><mtd style=\"text-align: right;color:#ff0000;padding-right: 0;\"></mtd></math>"
            )
            .as_deref(),
            Some(
                "<math dir=\"ltr\" display=\"block\"><mtd class=\"right near-right\"></mtd></math>"
            )
        );
    }
}
