//! Tables: in a box that scrolls, with columns as they are aligned.

use std::fmt::{self, Write};

use comrak::html::format_node_default;
use comrak::nodes::{Node, NodeValue, TableAlignment};

use super::{Html, SCROLLS, direction};

pub(super) fn write(html: &mut Html<'_, '_, '_>, node: Node<'_>, entering: bool) -> fmt::Result {
    if entering {
        html.cr()?;
        let direction = direction::of(node);
        return writeln!(
            html,
            "<div class=\"table\" dir=\"{direction}\" {SCROLLS}><table>"
        );
    }
    format_node_default(html, node, entering)?;
    html.write_str("</div>\n")
}

/// A head without text would be announced without a name.
pub(super) fn write_cell(
    html: &mut Html<'_, '_, '_>,
    node: Node<'_>,
    entering: bool,
) -> fmt::Result {
    let row = node.parent();
    let heads = |row: Node<'_>| matches!(row.data().value, NodeValue::TableRow(true));
    let name = match row.is_some_and(heads) && node.first_child().is_some() {
        true => "th",
        false => "td",
    };
    if !entering {
        return write!(html, "</{name}>");
    }
    let column = html.user.column;
    html.user.column += 1;
    let table = row.and_then(|row| row.parent());
    write!(html, "<{name}")?;
    if let Some(class) = table.and_then(|table| alignment(table, column)) {
        write!(html, " class=\"{class}\"")?;
    }
    html.write_str(" dir=\"auto\">")
}

fn alignment(table: Node<'_>, column: usize) -> Option<&'static str> {
    let NodeValue::Table(table) = &table.data().value else {
        return None;
    };
    match table.alignments.get(column)? {
        TableAlignment::None => None,
        TableAlignment::Left => Some("left"),
        TableAlignment::Center => Some("center"),
        TableAlignment::Right => Some("right"),
    }
}
