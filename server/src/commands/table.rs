//! Columns of text, as wide as their widest cell.

#[derive(Clone, Copy, Debug)]
pub(super) enum Align {
    Left,
    Right,
}

/// A line for the head, and one for each row.
pub(super) fn table<const N: usize>(
    head: [&str; N],
    aligned: [Align; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let head = head.map(str::to_uppercase);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).zip(aligned);
        let cells = cells.map(|((cell, width), align)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [["a", "1"], ["é", "100"], ["", ""]].map(|row| row.map(String::from));
        let text = table(["name", "n"], [Align::Left, Align::Right], rows.into_iter());
        assert_eq!(text, "NAME    N\na       1\né     100\n\n");
    }
}
