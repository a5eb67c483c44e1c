//! Room that every thread of a pool has to itself.

/// A value for each thread of a pool, which keeps it from stage to stage.
#[derive(Debug)]
pub(crate) struct PerThread<T>(Vec<T>);

impl<T> Default for PerThread<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> PerThread<T> {
    /// One for each of so many threads.
    pub(super) fn of_threads(&mut self, threads: usize) -> &mut [T] {
        if self.0.len() < threads {
            self.0.resize_with(threads, T::default);
        }
        &mut self.0
    }
}
