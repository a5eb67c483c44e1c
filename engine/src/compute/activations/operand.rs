//! What a product multiplies with its matrices.

use super::{Activations, Form, Grouping, Panels};
use crate::compute::block::BLOCK;
use crate::compute::kernel::Kernel;
use crate::machine::threads::{Parts, Pool};

/// Where the values of rows come from; several threads may ask for the same row at once.
pub(crate) trait RowValues: Sync {
    /// The values of a row, which may be computed in a place of its own; there are as many places as rows or as
    /// threads, whichever are more.
    ///
    /// # Safety
    /// Nobody else gives this place while the values are used.
    unsafe fn row(&self, row: usize, place: usize) -> &[f32];
}

/// Values that are there already, `[rows, cols]`.
pub(crate) struct Stored<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) cols: usize,
}

impl RowValues for Stored<'_> {
    unsafe fn row(&self, row: usize, _: usize) -> &[f32] {
        &self.values[row * self.cols..(row + 1) * self.cols]
    }
}

/// Activations of a stage.
pub(crate) enum Operand<'a> {
    /// Rows that were quantised before.
    Quantized(&'a Activations),
    /// The one row of a decode.
    OneRow(OneRow<'a>),
}

/// One row, which every thread of the stage quantises for itself. Done by one thread it takes a barrier, its lines
/// then go to the other threads one by one, and come back when the next row is written: on two chips that took longer
/// than quantising.
pub(crate) struct OneRow<'a> {
    kernel: &'static Kernel,
    grouping: Grouping,
    values: &'a dyn RowValues,
    /// One for each thread, which alone looks at it.
    copies: Parts<'a, Activations>,
}

impl<'a> Operand<'a> {
    /// How its rows are cut.
    pub(crate) fn panels(&self) -> Panels {
        match self {
            Self::Quantized(x) => x.panels(),
            Self::OneRow(_) => Panels::new(1, 1),
        }
    }

    /// The values, `[rows, cols]`, when products are to use these.
    pub(crate) fn floats(&self) -> Option<&'a [f32]> {
        match self {
            Self::Quantized(x) => x.floats(),
            Self::OneRow(_) => None,
        }
    }

    /// The activations as a thread of the stage takes them.
    ///
    /// # Safety
    /// Each thread gives its own number, and asks once.
    pub(crate) unsafe fn on(&self, thread: usize) -> &Activations {
        match self {
            Self::Quantized(x) => {
                if x.rows() == 1 {
                    x.fetch();
                }
                x
            }
            // SAFETY: handed on to the caller.
            Self::OneRow(row) => unsafe { row.quantize(thread) },
        }
    }
}

impl OneRow<'_> {
    /// # Safety
    /// As of [`Operand::on`].
    unsafe fn quantize(&self, thread: usize) -> &Activations {
        // SAFETY: this thread alone uses its copy, by the contract.
        let copy = &mut unsafe { self.copies.part(thread..thread + 1) }[0];
        // SAFETY: as is its place.
        let values = unsafe { self.values.row(0, thread) };
        copy.shape(self.grouping, [1, values.len()], 1);
        let writer = copy.writer();
        // SAFETY: nobody else has the copy.
        unsafe {
            self.kernel
                .quantize(&[values], self.grouping, &writer.rows(0..1, 0));
        }
        copy
    }
}

/// Bytes of a cache line, or fewer.
const LINE: usize = 64;

impl Activations {
    /// Reads from every cache line of a row: what other threads wrote comes from their caches at once, where a product
    /// would wait for line after line.
    fn fetch(&self) {
        let quants = self.quants[..self.blocks].iter().step_by(LINE / BLOCK);
        let all = quants.fold(0, |all, quants| all ^ i32::from(quants[0]));
        let factors = [&self.scales, &self.sums, &self.starts];
        let factors = factors.map(|factors| &factors[..self.blocks]);
        let factors = factors
            .iter()
            .flat_map(|f| f.iter().step_by(LINE / size_of::<f32>()));
        std::hint::black_box(factors.fold(all, |all, f| all ^ f.to_bits().cast_signed()));
    }

    /// Activations for the products of the next stage, from the `cols` values of each row: rows are quantised now, a
    /// single one when threads come to it. Panels are those of any other activations of as many rows.
    pub(crate) fn operand<'a>(
        &'a mut self,
        pool: &mut Pool,
        kernel: &'static Kernel,
        form: Form<'_>,
        shape: [usize; 2],
        values: &'a dyn RowValues,
    ) -> Operand<'a> {
        let grouping = self.grouping_for(form);
        let plain = form.order.is_none() && !self.keeps(grouping);
        if shape[0] != 1 || !plain {
            // SAFETY: `fill` asks for each row once, from one thread.
            let values = |row| unsafe { values.row(row, row) };
            self.fill(pool, kernel, form, shape, values);
            return Operand::Quantized(self);
        }
        self.copies.resize_with(pool.threads(), Self::default);
        Operand::OneRow(OneRow {
            kernel,
            grouping,
            values,
            copies: Parts::new(&mut self.copies),
        })
    }
}
