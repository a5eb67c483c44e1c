//! The products of a step, each at a site that has a name.

use super::observer::Observer;
use crate::compute::matrix::{self, MatmulInput, MatmulScratch, Product};
use crate::machine::threads::Pool;
use crate::model::weights::{MatmulSite, MeanSquares};

/// What products need from step to step, and who looks at the activations in front of them.
#[derive(Debug, Default)]
pub(super) struct Matmuls {
    pub(super) scratch: MatmulScratch,
    observer: Option<Observer>,
}

impl Matmuls {
    /// Looks at all activations that are kept as floats from now on.
    pub(super) fn observe(&mut self) {
        self.observer = Some(Observer::default());
    }

    /// The mean squares since [`Matmuls::observe`].
    pub(super) fn observed(&self) -> MeanSquares {
        let observer = self.observer.as_ref();
        observer.map(Observer::means).unwrap_or_default()
    }

    /// As [`matrix::multiply`].
    pub(super) fn multiply<const N: usize>(
        &mut self,
        pool: &mut Pool,
        site: MatmulSite,
        x: &MatmulInput<'_>,
        products: [Product<'_>; N],
    ) {
        if let (Some(observer), Some(values)) = (&mut self.observer, x.floats()) {
            let matrix = products[0].matrix;
            assert!(matrix.order().is_none(), "columns in order");
            observer.add(site, values, matrix.cols());
        }
        matrix::multiply(pool, x, &mut self.scratch, products);
    }
}
