//! What the error of a weight counts when a scale is chosen: the mean square of what its column is multiplied with.
//!
//! It is measured only when weights are rounded, not when they come from a packed file.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use crate::Error;

/// Where the activations of a step meet weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum MatmulSite {
    /// In the layer of this number.
    Layer(usize, LayerSite),
    /// At the output head.
    Head,
}

/// A [`MatmulSite`] within its layer, by the matrices there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LayerSite {
    /// q, k and v.
    Attention,
    AttentionOutput,
    /// Gate and up.
    FeedForward,
    FeedForwardOutput,
}

/// The mean square of each column of the activations at each site.
pub(crate) type MeanSquares = HashMap<MatmulSite, Vec<f32>>;

/// Measures them at all sites of a model, with so many threads.
pub(crate) type Measure<'a> = Box<dyn Fn(usize) -> Result<MeanSquares, Error> + Sync + 'a>;

/// What the columns of a model's matrices count.
pub(crate) struct ImportanceMatrix<'a> {
    /// What it follows from, beside the model.
    pub(crate) identity: String,
    measure: Measure<'a>,
    measured: OnceLock<MeanSquares>,
}

impl fmt::Debug for ImportanceMatrix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity)
    }
}

impl<'a> ImportanceMatrix<'a> {
    pub(crate) fn new(identity: String, measure: Measure<'a>) -> Self {
        let measured = OnceLock::new();
        Self {
            identity,
            measure,
            measured,
        }
    }

    /// Measures, if that was not done yet.
    ///
    /// # Errors
    /// What loading the model gives.
    pub(crate) fn find(&self, threads: usize) -> Result<(), Error> {
        if self.measured.get().is_none() {
            let measured = (self.measure)(threads)?;
            self.measured.get_or_init(|| measured);
        }
        Ok(())
    }

    /// What the columns of the matrices at a site count.
    pub(super) fn columns(&'a self, site: MatmulSite) -> Columns<'a> {
        Columns { of: self, site }
    }
}

/// The importance of the columns of one matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a> {
    of: &'a ImportanceMatrix<'a>,
    site: MatmulSite,
}

impl<'a> Columns<'a> {
    /// One number for each column.
    ///
    /// # Panics
    /// When nothing was measured before, or not this site.
    pub(crate) fn numbers(self) -> &'a [f32] {
        let measured = self.of.measured.get();
        &measured.expect("importance is found before weights are rounded")[&self.site]
    }
}
