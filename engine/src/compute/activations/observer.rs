//! The size of activations, column by column, for whoever rounds the weights that meet them.

/// Sums of squares of every place of a step that fills activations.
#[derive(Debug)]
pub(crate) struct Observer {
    /// One of each place, in the order in which a step fills them.
    places: Vec<Place>,
    next: usize,
}

#[derive(Clone, Debug, Default)]
struct Place {
    rows: usize,
    squares: Vec<f64>,
}

impl Observer {
    /// Of steps that fill so many places.
    pub(crate) fn new(places: usize) -> Self {
        Self {
            places: vec![Place::default(); places],
            next: 0,
        }
    }

    /// Adds the values of the next place, rows of so many columns.
    pub(super) fn add(&mut self, values: &[f32], cols: usize) {
        let places = self.places.len();
        let place = &mut self.places[self.next];
        self.next = (self.next + 1) % places;
        place.squares.resize(cols, 0.0);
        for row in values.chunks_exact(cols) {
            place.rows += 1;
            for (square, value) in place.squares.iter_mut().zip(row) {
                *square += f64::from(*value).powi(2);
            }
        }
    }

    /// The mean square of each column of each place.
    pub(crate) fn means(&self) -> Vec<Vec<f32>> {
        let mean = |place: &Place| {
            let squares = place.squares.iter();
            squares
                .map(|square| (square / place.rows as f64) as f32)
                .collect()
        };
        self.places.iter().map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_the_mean_squares_of_its_own_columns() {
        let mut observer = Observer::new(2);
        observer.add(&[1.0, 2.0, 3.0, 4.0], 2);
        observer.add(&[1.0, 0.0, -2.0], 3);
        observer.add(&[2.0, 3.0], 2);
        observer.add(&[1.0, 1.0, 0.0], 3);
        let means = observer.means();
        assert_eq!(means[0], [14.0 / 3.0, 29.0 / 3.0]);
        assert_eq!(means[1], [1.0, 0.5, 2.0]);
    }
}
