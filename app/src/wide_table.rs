//! A table that may be wider than its page: it scrolls, by the keyboard too.

use leptos::prelude::*;

/// With a label for those who only hear it, the heads of its columns, and its rows as they are.
pub(crate) fn wide_table<const COLUMNS: usize>(
    label: &'static str,
    columns: [&'static str; COLUMNS],
    rows: impl Iterator<Item: IntoView + 'static>,
) -> AnyView {
    let columns = columns.map(|column| view! { <th scope="col">{column}</th> });
    view! {
        <div class="wide-table" tabindex="0" role="region" aria-label=label>
            <table>
                <thead>
                    <tr>{columns.into_iter().collect_view()}</tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}
