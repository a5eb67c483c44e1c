//! The order in which a packed matrix takes its columns.
//!
//! Weights that share a scale lie side by side in a packed matrix. Where they do not in the checkpoint (act-order of
//! GPTQ), columns are sorted, and activations are brought into the same order before they are quantised.

/// Which stored column is which packed one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ColumnOrder(Vec<u32>);

impl ColumnOrder {
    /// Sorts columns by their groups, those of one group as they were; none where they are sorted already.
    pub(crate) fn by_group(groups: &[u32]) -> Option<Self> {
        if groups.is_sorted() {
            return None;
        }
        let mut columns: Vec<u32> = (0..).take(groups.len()).collect();
        columns.sort_by_key(|column| groups[*column as usize]);
        Some(Self(columns))
    }

    /// The stored place of a packed column.
    pub(crate) fn stored(&self, column: usize) -> usize {
        self.0[column] as usize
    }

    /// Brings the numbers of all columns into this order.
    ///
    /// # Panics
    /// When there are more or fewer columns.
    pub(crate) fn gather(&self, stored: &[f32], to: &mut [f32]) {
        assert!(stored.len() == self.0.len() && to.len() == self.0.len());
        for (to, column) in to.iter_mut().zip(&self.0) {
            *to = stored[*column as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_group_stay_in_their_order() {
        let order = ColumnOrder::by_group(&[1, 0, 2, 1, 0, 0]).unwrap();
        assert_eq!(order, ColumnOrder(vec![1, 4, 5, 0, 3, 2]));
        let mut gathered = [0.0; 6];
        order.gather(&[0.0, 10.0, 20.0, 30.0, 40.0, 50.0], &mut gathered);
        assert_eq!(gathered, [10.0, 40.0, 50.0, 0.0, 30.0, 20.0]);
        assert_eq!(order.stored(3), 0);
        assert_eq!(ColumnOrder::by_group(&[0, 0, 1, 1, 2]), None);
    }
}
