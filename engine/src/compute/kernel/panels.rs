//! How the rows of a step are cut, so that each thread works on rows that it has quantised itself.

use std::ops::Range;

use super::panel::ROWS;

/// Rows of a panel, at most: with two tiles of weights their sums fill half of a small L1 cache.
const PANEL: usize = 128;

/// Rows that each thread gets at least, before threads share the tiles of a matrix instead: fewer are not worth
/// unpacking every weight for them.
const ROWS_OF_THREAD: usize = 64;

/// Panels of some rows: a panel is what a kernel multiplies at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Panels {
    rows: usize,
    panel_rows: usize,
    in_group: usize,
}

impl Panels {
    /// As many groups of panels as there are threads, unless a thread would get too few rows.
    pub(crate) fn new(rows: usize, threads: usize) -> Self {
        let groups = (rows / ROWS_OF_THREAD).clamp(1, threads);
        let in_group = rows.div_ceil(groups * PANEL).max(1);
        let panel_rows = rows.div_ceil(groups * in_group).next_multiple_of(ROWS);
        Self {
            rows,
            panel_rows,
            in_group,
        }
    }

    /// Rows of all panels.
    pub(crate) fn rows(self) -> usize {
        self.rows
    }

    /// Panels that there are.
    pub(crate) fn count(self) -> usize {
        self.rows.div_ceil(self.panel_rows.max(1))
    }

    /// Neighbouring panels that one thread does, or some threads together; the last group may have fewer.
    pub(crate) fn in_group(self) -> usize {
        self.in_group
    }

    /// Rows of every panel but the last, which may have fewer.
    pub(crate) fn panel_rows(self) -> usize {
        self.panel_rows
    }

    /// The rows of one panel.
    pub(crate) fn rows_of(self, panel: usize) -> Range<usize> {
        let start = panel * self.panel_rows;
        start..self.rows.min(start + self.panel_rows)
    }
}
