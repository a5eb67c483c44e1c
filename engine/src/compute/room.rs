//! Room for numbers on their way.

/// A buffer that grows to the most that was asked for, and stays.
#[derive(Debug, Default)]
pub(crate) struct Room(Vec<f32>);

impl Room {
    /// Room for so many numbers, which hold anything.
    pub(crate) fn of(&mut self, len: usize) -> &mut [f32] {
        if self.0.len() < len {
            self.0.resize(len, 0.0);
        }
        &mut self.0[..len]
    }

    /// The first numbers.
    ///
    /// # Panics
    /// When there was never room for as many.
    pub(crate) fn first(&self, len: usize) -> &[f32] {
        &self.0[..len]
    }
}
