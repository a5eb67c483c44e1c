//! The size of activations, column by column, for whoever rounds the weights that meet them.

use std::collections::HashMap;

use crate::model::weights::{MatmulSite, MeanSquares};

/// Sums of squares of every site that a step has passed.
#[derive(Debug, Default)]
pub(super) struct Observer {
    sites: HashMap<MatmulSite, Squares>,
}

#[derive(Debug, Default)]
struct Squares {
    rows: usize,
    sums: Vec<f64>,
}

impl Observer {
    /// Adds the values that meet weights at a site, rows of so many columns.
    pub(super) fn add(&mut self, site: MatmulSite, values: &[f32], cols: usize) {
        let squares = self.sites.entry(site).or_default();
        squares.sums.resize(cols, 0.0);
        for row in values.chunks_exact(cols) {
            squares.rows += 1;
            for (sum, value) in squares.sums.iter_mut().zip(row) {
                *sum += f64::from(*value).powi(2);
            }
        }
    }

    /// The mean square of each column of each site.
    pub(super) fn means(&self) -> MeanSquares {
        let mean = |squares: &Squares| {
            let sums = squares.sums.iter();
            sums.map(|sum| (sum / squares.rows as f64) as f32).collect()
        };
        let sites = self.sites.iter();
        sites
            .map(|(site, squares)| (*site, mean(squares)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::weights::LayerSite;

    #[test]
    fn every_site_has_the_mean_squares_of_its_own_columns_whatever_the_order() {
        let one = MatmulSite::Layer(0, LayerSite::Attention);
        let other = MatmulSite::Head;
        let mut observer = Observer::default();
        observer.add(one, &[1.0, 2.0, 3.0, 4.0], 2);
        observer.add(other, &[1.0, 0.0, -2.0], 3);
        observer.add(other, &[1.0, 1.0, 0.0], 3);
        observer.add(one, &[2.0, 3.0], 2);
        let means = observer.means();
        assert_eq!(means[&one], [14.0 / 3.0, 29.0 / 3.0]);
        assert_eq!(means[&other], [1.0, 0.5, 2.0]);
    }
}
