//! Links, and images as links, to addresses that cannot run anything.

use std::fmt::Write;

use comrak::html::ChildRendering;
use comrak::nodes::{Node, NodeValue};
use url::Url;

use super::{Html, Written};

/// What ends an address that is written without brackets, as Chinese and Japanese put no space after it. Within an
/// address it is written as `%`.
const ENDS: [char; 13] = [
    '，', '。', '、', '；', '：', '！', '？', '（', '）', '「', '」', '《', '》',
];

pub(super) fn write(
    html: &mut Html<'_, '_, '_>,
    node: Node<'_>,
    address: &str,
    entering: bool,
) -> Written {
    if !entering {
        if html.user.links.pop() == Some(true) {
            html.write_str("</a>")?;
        }
        return Ok(ChildRendering::HTML);
    }
    let text = bare(node, address);
    let end = text.as_ref().and_then(|text| text.find(ENDS));
    let (text, after) = match (&text, end) {
        (Some(text), Some(end)) => text.split_at(end),
        _ => ("", ""),
    };
    let target = target(address.strip_suffix(after).unwrap_or(address));
    // A link inside a link, as around an image, is not HTML.
    let Some(target) = target.filter(|_| !html.user.links.contains(&true)) else {
        html.user.links.push(false);
        return Ok(ChildRendering::HTML);
    };
    html.user.links.push(end.is_none());
    html.write_str("<a rel=\"noopener noreferrer nofollow\" href=\"")?;
    html.escape(target.as_str())?;
    html.write_str("\">")?;
    if end.is_some() {
        html.escape(text)?;
        html.write_str("</a>")?;
        html.escape(after)?;
        return Ok(ChildRendering::Skip);
    }
    if node.first_child().is_none() {
        html.escape(address)?;
    }
    Ok(ChildRendering::HTML)
}

/// The text of a link that is nothing but its address.
fn bare(node: Node<'_>, address: &str) -> Option<String> {
    match &node.first_child()?.data().value {
        NodeValue::Text(text) if address.ends_with(&**text) => Some(text.to_string()),
        _ => None,
    }
}

/// An address as browsers read it, if it leads to another site.
fn target(address: &str) -> Option<Url> {
    let url = Url::parse(address).ok()?;
    ["http", "https", "mailto"]
        .contains(&url.scheme())
        .then_some(url)
}
