//! What the error of a weight counts when a scale is chosen: the mean square of what its column is multiplied with.
//!
//! It is measured only when weights are rounded, not when they come from a packed file.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use super::rounding::Rounding;
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

/// How a model is rounded, and by what measure.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QuantScheme<'a> {
    pub(crate) rounding: Rounding,
    pub(crate) importance: Option<&'a ImportanceMatrix<'a>>,
}

impl From<Rounding> for QuantScheme<'_> {
    fn from(rounding: Rounding) -> Self {
        Self {
            rounding,
            importance: None,
        }
    }
}

impl<'a> QuantScheme<'a> {
    /// A text that no other rounding and measure has. Another one would have every packed file made anew.
    pub(crate) fn description(self) -> String {
        let rounding = self.rounding;
        let head = if rounding.int4_head {
            "head in int4"
        } else {
            "head as stored"
        };
        let embedding = if rounding.int4_embedding {
            "embedding in int4, "
        } else {
            ""
        };
        let measure = self
            .importance
            .map_or("", |importance| &importance.identity);
        format!("{}, {head}, {embedding}{measure}", rounding.quantize)
    }

    /// What the columns of the matrices at a site count.
    pub(super) fn columns(self, site: MatmulSite) -> Option<Columns<'a>> {
        self.importance.map(|of| Columns { of, site })
    }
}
