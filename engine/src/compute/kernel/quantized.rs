//! Rows of activations in int8: what products read, panel by panel, and what quantising writes.

use std::ops::Range;

use super::panel::{Grouping, Panel, PanelLayout, RowQuad};
use super::panels::Panels;
use crate::compute::block::BLOCK;
use crate::machine::threads::{DisjointItems, DisjointSlices, Pool, SliceRows};

/// Rows in int8, one scale per block of 32 or per row, panel after panel. The buffers grow and stay.
#[derive(Debug, Default)]
pub(crate) struct QuantizedRows {
    panels: Panels,
    blocks: usize,
    grouping: Grouping,
    /// Of each panel `[blocks, rows]`, as are the next four.
    quants: Vec<[i8; BLOCK]>,
    scales: Vec<f32>,
    sums: Vec<f32>,
    starts: Vec<f32>,
    half_sums: Vec<f32>,
    /// Of each row, as is the next.
    row_sums: Vec<i32>,
    zero_points: Vec<f32>,
    /// Where the kernel wants them, `[rows / 4, blocks]`.
    quads: Vec<RowQuad>,
}

impl QuantizedRows {
    /// How the rows are cut.
    pub(crate) fn panels(&self) -> Panels {
        self.panels
    }

    /// What shares a scale.
    pub(crate) fn grouping(&self) -> Grouping {
        self.grouping
    }

    /// Columns of a row.
    pub(crate) fn cols(&self) -> usize {
        self.blocks * BLOCK
    }

    /// Makes room for rows of so many columns, and cuts them into panels.
    pub(crate) fn shape(&mut self, grouping: Grouping, [rows, cols]: [usize; 2], threads: usize) {
        assert_eq!(cols % BLOCK, 0);
        (self.blocks, self.grouping) = (cols / BLOCK, grouping);
        self.panels = Panels::new(rows, threads);
        let len = rows * self.blocks;
        if self.quants.len() < len {
            self.quants.resize(len, [0; BLOCK]);
            self.scales.resize(len, 0.0);
            self.sums.resize(len, 0.0);
            self.starts.resize(len, 0.0);
            self.half_sums.resize(len, 0.0);
        }
        self.row_sums.resize(rows, 0);
        // Only rows that have zero points write them.
        self.zero_points.clear();
        self.zero_points.resize(rows, 0.0);
    }

    /// All rows, to be written.
    pub(crate) fn rows_mut(&mut self) -> PanelRowsMut<'_> {
        PanelRowsMut(Slices {
            panels: self.panels,
            blocks: self.blocks,
            quants: DisjointSlices::new(&mut self.quants),
            scales: DisjointSlices::new(&mut self.scales),
            sums: DisjointSlices::new(&mut self.sums),
            starts: DisjointSlices::new(&mut self.starts),
            half_sums: DisjointSlices::new(&mut self.half_sums),
            row_sums: DisjointSlices::new(&mut self.row_sums),
            zero_points: DisjointSlices::new(&mut self.zero_points),
        })
    }

    /// Brings rows that are written into the layout that a kernel wants besides.
    pub(crate) fn arrange(&mut self, layout: PanelLayout, pool: &mut Pool) {
        if layout == PanelLayout::RowQuads && self.panels.rows() > 1 {
            self.fill_quads(pool);
        }
    }

    fn fill_quads(&mut self, pool: &mut Pool) {
        let (rows, blocks) = (self.panels.rows(), self.blocks);
        let len = rows.div_ceil(4) * blocks;
        let mut quads = std::mem::take(&mut self.quads);
        if quads.len() < len {
            quads.resize(len, RowQuad::ZERO);
        }
        let in_fours = SliceRows::new(&mut quads[..len], blocks);
        pool.for_each_chunk_mut(in_fours, 1, |range, quads| {
            for (four, quads) in range.zip(quads.chunks_exact_mut(blocks)) {
                let panel = self.panel(4 * four / self.panels.panel_rows());
                for row in 4 * four..rows.min(4 * four + 4) {
                    let in_panel = row % self.panels.panel_rows();
                    for (block, quad) in quads.iter_mut().enumerate() {
                        quad.set(row % 4, &panel.block(block, in_panel));
                    }
                }
            }
        });
        self.quads = quads;
    }

    /// One panel.
    pub(crate) fn panel(&self, panel: usize) -> Panel<'_> {
        let rows = self.panels.rows_of(panel);
        let range = rows.start * self.blocks..rows.end * self.blocks;
        // Panels begin with a quad.
        let quads = rows.start / 4 * self.blocks..rows.end.div_ceil(4) * self.blocks;
        Panel {
            rows: rows.len(),
            blocks: self.blocks,
            grouping: self.grouping,
            quants: &self.quants[range.clone()],
            scales: &self.scales[range.clone()],
            sums: &self.sums[range.clone()],
            starts: &self.starts[range.clone()],
            half_sums: &self.half_sums[range],
            row_sums: &self.row_sums[rows.clone()],
            zero_points: &self.zero_points[rows],
            quads: self.quads.get(quads).unwrap_or_default(),
        }
    }

    /// Reads from every cache line of the first row: what other threads wrote comes from their caches at once, where a
    /// product would wait for line after line.
    pub(crate) fn prefetch(&self) {
        /// Bytes of a cache line, or fewer.
        const LINE: usize = 64;
        let quants = self.quants[..self.blocks].iter().step_by(LINE / BLOCK);
        let all = quants.fold(0, |all, quants| all ^ i32::from(quants[0]));
        let factors = [&self.scales, &self.sums, &self.starts, &self.half_sums];
        let factors = factors.map(|factors| &factors[..self.blocks]);
        let factors = factors
            .iter()
            .flat_map(|f| f.iter().step_by(LINE / size_of::<f32>()));
        std::hint::black_box(factors.fold(all, |all, f| all ^ f.to_bits().cast_signed()));
    }
}

/// The rows of [`QuantizedRows`] while several threads write them. As items they are rows, of which a chunk must be of
/// one panel.
pub(crate) struct PanelRowsMut<'a>(Slices<'a>);

#[derive(Clone, Copy)]
struct Slices<'a> {
    panels: Panels,
    blocks: usize,
    quants: DisjointSlices<'a, [i8; BLOCK]>,
    scales: DisjointSlices<'a, f32>,
    sums: DisjointSlices<'a, f32>,
    starts: DisjointSlices<'a, f32>,
    half_sums: DisjointSlices<'a, f32>,
    row_sums: DisjointSlices<'a, i32>,
    zero_points: DisjointSlices<'a, f32>,
}

impl<'a> PanelRowsMut<'a> {
    /// Some blocks of some rows of one panel.
    ///
    /// # Safety
    /// Nobody else has any of these blocks of these rows.
    ///
    /// # Panics
    /// When the rows are of two panels, or there are fewer blocks.
    pub(crate) unsafe fn take(&self, rows: Range<usize>, blocks: Range<usize>) -> RowsMut<'a> {
        let Slices { panels, .. } = self.0;
        let panel = panels.rows_of(rows.start / panels.panel_rows());
        assert!(rows.end <= panel.end, "rows of two panels");
        assert!(blocks.end <= self.0.blocks, "more blocks than there are");
        RowsMut {
            all: self.0,
            panel,
            rows,
            blocks,
        }
    }
}

// SAFETY: rows have no number in common with others.
unsafe impl<'a> DisjointItems for PanelRowsMut<'a> {
    type Chunk = RowsMut<'a>;

    fn count(&self) -> usize {
        self.0.panels.rows()
    }

    fn bytes(&self) -> usize {
        let in_block = BLOCK + 4 * size_of::<f32>();
        let in_row = size_of::<i32>() + size_of::<f32>();
        self.count() * (self.0.blocks * in_block + in_row)
    }

    unsafe fn chunk(&self, range: Range<usize>) -> RowsMut<'a> {
        // SAFETY: handed on to the caller.
        unsafe { self.take(range, 0..self.0.blocks) }
    }
}

/// Some blocks of some rows of a panel, which one thread writes.
pub(crate) struct RowsMut<'a> {
    all: Slices<'a>,
    /// All rows of the panel.
    panel: Range<usize>,
    rows: Range<usize>,
    blocks: Range<usize>,
}

/// Where one block of some rows goes, `[rows]`.
pub(crate) struct BlockMut<'a> {
    pub(crate) quants: &'a mut [[i8; BLOCK]],
    pub(crate) scales: &'a mut [f32],
    pub(crate) sums: &'a mut [f32],
    pub(crate) starts: &'a mut [f32],
    pub(crate) half_sums: &'a mut [f32],
}

impl RowsMut<'_> {
    /// Rows that there are.
    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// Some of the rows, counted from the first, and one of the blocks.
    pub(crate) fn part(&mut self, rows: Range<usize>, block: usize) -> RowsMut<'_> {
        assert!(rows.end <= self.rows.len() && block < self.blocks.len());
        let block = self.blocks.start + block;
        RowsMut {
            all: self.all,
            panel: self.panel.clone(),
            rows: self.rows.start + rows.start..self.rows.start + rows.end,
            blocks: block..block + 1,
        }
    }

    /// One of the blocks, counted from the first.
    #[inline(always)]
    pub(crate) fn block(&mut self, block: usize) -> BlockMut<'_> {
        assert!(block < self.blocks.len());
        let (panel, all) = (&self.panel, &self.all);
        let start = panel.start * all.blocks
            + (self.blocks.start + block) * panel.len()
            + (self.rows.start - panel.start);
        let range = || start..start + self.rows.len();
        BlockMut {
            // SAFETY: nobody else has this block of these rows, and while it is borrowed, nobody takes it here again.
            quants: unsafe { all.quants.slice(range()) },
            // SAFETY: as above.
            scales: unsafe { all.scales.slice(range()) },
            // SAFETY: as above.
            sums: unsafe { all.sums.slice(range()) },
            // SAFETY: as above.
            starts: unsafe { all.starts.slice(range()) },
            // SAFETY: as above.
            half_sums: unsafe { all.half_sums.slice(range()) },
        }
    }

    /// Where the sum of all quants of each of these rows goes, which only rows with one scale have.
    ///
    /// # Panics
    /// When these are not whole rows.
    pub(crate) fn row_sums(&mut self) -> &mut [i32] {
        self.of_rows(self.all.row_sums)
    }

    /// Where the zero point of each of these rows goes, which is 0 until it is written.
    ///
    /// # Panics
    /// When these are not whole rows.
    pub(crate) fn zero_points(&mut self) -> &mut [f32] {
        self.of_rows(self.all.zero_points)
    }

    fn of_rows<'a, T>(&'a mut self, all: DisjointSlices<'a, T>) -> &'a mut [T] {
        assert_eq!(self.blocks.len(), self.all.blocks, "whole rows");
        // SAFETY: nobody else has any block of these rows.
        unsafe { all.slice(self.rows.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_rows_side_by_side_hold_what_each_holds() {
        let (rows, blocks) = (150, 3);
        for threads in 1..=2 {
            let mut pool = Pool::new(threads).unwrap();
            let mut quantized = QuantizedRows::default();
            quantized.shape(Grouping::Block, [rows, blocks * BLOCK], threads);
            let numbers = |row: usize, block: usize| {
                let number = (row * blocks + block) as f32;
                let quants = std::array::from_fn(|i| (row * 7 + block * 5 + i) as i8);
                (quants, number)
            };
            pool.for_each_chunk_mut(quantized.rows_mut(), 2, |range, mut chunk| {
                for index in 0..blocks {
                    let block = chunk.block(index);
                    for (place, row) in range.clone().enumerate() {
                        let (quants, number) = numbers(row, index);
                        block.quants[place] = quants;
                        block.scales[place] = number;
                        block.sums[place] = -number;
                        block.starts[place] = number + 0.5;
                        block.half_sums[place] = number + 0.25;
                    }
                }
            });
            quantized.arrange(PanelLayout::RowQuads, &mut pool);
            for row in 0..rows {
                let panel_rows = quantized.panels().panel_rows();
                let panel = quantized.panel(row / panel_rows);
                let quads = panel.quads(row % panel_rows / 4);
                let (pair, side) = (row % 4 / 2, row % 2);
                for (block, quad) in quads.iter().enumerate() {
                    let (quants, number) = numbers(row, block);
                    let eights = quad
                        .quants
                        .iter()
                        .map(|pairs| &pairs[pair][8 * side..][..8]);
                    assert_eq!(eights.collect::<Vec<_>>().concat(), quants);
                    for at in [side, side + 2] {
                        assert_eq!(quad.scales[pair][at], number);
                        assert_eq!(quad.sums[pair][at], -number);
                        let starts = quad.starts[pair].map(|starts| starts[at]);
                        assert_eq!(starts, [number + 0.5; 2]);
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "rows of two panels")]
    fn rows_that_are_written_together_are_of_one_panel() {
        let mut quantized = QuantizedRows::default();
        quantized.shape(Grouping::Block, [256, BLOCK], 2);
        let panel_rows = quantized.panels().panel_rows();
        let rows = quantized.rows_mut();
        // SAFETY: nobody else has them.
        let _ = unsafe { rows.take(panel_rows - 1..panel_rows + 1, 0..1) };
    }
}
