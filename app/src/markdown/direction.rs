//! In which direction a block is set.
//!
//! A browser finds the direction of a paragraph by itself (`dir="auto"`), but not that of a box around blocks, in which it
//! looks past everything that has a direction of its own; there we look.

use comrak::nodes::{Node, NodeValue};
use unicode_bidi::{BidiClass, bidi_class};

/// Nodes that are looked at: boxes in boxes all look into the same.
const MOST: usize = 64;

/// The `dir` of a block.
pub(super) fn of(block: Node<'_>) -> &'static str {
    let mut children = block.children();
    if children.next().is_some_and(is_tight) {
        return "auto";
    }
    let mut letters = block.descendants().take(MOST).filter_map(first_letter);
    letters.next().unwrap_or("auto")
}

/// Whether a paragraph is written without a box of its own: in a list without blank lines.
pub(super) fn is_tight(block: Node<'_>) -> bool {
    let list = block.parent().and_then(|item| item.parent());
    matches!(block.data().value, NodeValue::Paragraph)
        && list
            .is_some_and(|list| matches!(&list.data().value, NodeValue::List(list) if list.tight))
}

/// The direction of the first letter of a text that has one; code and formulas count for nothing.
fn first_letter(node: Node<'_>) -> Option<&'static str> {
    let NodeValue::Text(text) = &node.data().value else {
        return None;
    };
    text.chars()
        .find_map(|character| match bidi_class(character) {
            BidiClass::L => Some("ltr"),
            BidiClass::R | BidiClass::AL => Some("rtl"),
            _ => None,
        })
}
