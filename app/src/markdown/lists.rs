//! Lists, also of tasks.

use std::fmt::{self, Write};

use comrak::nodes::{ListType, Node, NodeList};

use super::{Html, direction};

pub(super) fn write(
    html: &mut Html<'_, '_, '_>,
    node: Node<'_>,
    list: NodeList,
    entering: bool,
) -> fmt::Result {
    let name = match list.list_type {
        ListType::Bullet => "ul",
        ListType::Ordered => "ol",
    };
    if !entering {
        return writeln!(html, "</{name}>");
    }
    html.cr()?;
    write!(html, "<{name}")?;
    if list.is_task_list {
        html.write_str(" class=\"tasks\"")?;
    }
    if list.list_type == ListType::Ordered && list.start != 1 {
        write!(html, " start=\"{}\"", list.start)?;
    }
    writeln!(html, " dir=\"{}\">", direction::of(node))
}

/// An item of a list; of one of tasks with a box that says whether it is done.
pub(super) fn write_item(
    html: &mut Html<'_, '_, '_>,
    node: Node<'_>,
    task: Option<bool>,
    entering: bool,
) -> fmt::Result {
    if !entering {
        return html.write_str("</li>\n");
    }
    html.cr()?;
    write!(html, "<li dir=\"{}\">", direction::of(node))?;
    let t = html.user.outline.t;
    let (class, label, sign) = match task {
        None => return Ok(()),
        Some(true) => ("task done", t.task_done(), '☑'),
        Some(false) => ("task", t.task_open(), '☐'),
    };
    write!(
        html,
        "<span class=\"{class}\" role=\"img\" aria-label=\"{label}\">{sign}</span> "
    )
}
