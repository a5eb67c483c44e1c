//! Where the results of products go.

use std::ops::Range;

use crate::machine::threads::DisjointSlices;

/// The result of a product, `[x rows, matrix rows]`, while several threads write it.
#[derive(Clone, Copy)]
pub(super) struct Output<'a> {
    sums: DisjointSlices<'a, f32>,
    /// Rows of the matrix.
    width: usize,
    /// Whether sums are added to what is there.
    add: bool,
}

impl<'a> Output<'a> {
    /// # Panics
    /// When `sums` is not of this shape.
    pub(super) fn new(sums: &'a mut [f32], [rows, width]: [usize; 2], add: bool) -> Self {
        assert_eq!(sums.len(), rows * width, "shape of a product");
        let sums = DisjointSlices::new(sums);
        Self { sums, width, add }
    }

    /// Bytes of all sums.
    pub(super) fn bytes(&self) -> usize {
        self.sums.bytes()
    }

    /// Some columns of some rows.
    ///
    /// # Safety
    /// Nobody else has any of them.
    pub(super) unsafe fn region(&self, rows: Range<usize>, columns: Range<usize>) -> Region<'a> {
        assert!(columns.end <= self.width);
        Region {
            out: *self,
            rows,
            columns,
        }
    }
}

/// Some columns of some rows of an [`Output`], which one thread writes.
pub(super) struct Region<'a> {
    out: Output<'a>,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Region<'_> {
    /// Puts sums, or adds them, to one of the rows, counted from the first: all of its columns.
    pub(super) fn put(&mut self, row: usize, sums: &[f32]) {
        let first = self.columns.start;
        self.put_at(row, first, sums);
    }

    /// The same to the columns from `first` on, counted as those of the output.
    #[inline]
    pub(super) fn put_at(&mut self, row: usize, first: usize, sums: &[f32]) {
        let end = first + sums.len();
        assert!(row < self.rows.len() && self.columns.start <= first && end <= self.columns.end);
        let start = (self.rows.start + row) * self.out.width;
        // SAFETY: nobody else has this region, whose own slices live one at a time.
        let out = unsafe { self.out.sums.slice(start + first..start + end) };
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = if self.out.add { *out + sum } else { *sum };
        }
    }
}
