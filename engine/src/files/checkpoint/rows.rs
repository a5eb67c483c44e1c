//! Rows of a tensor, for many threads that go through it: each reads some [`WINDOW_BYTES`] at a time, as rows may be short.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Tensor;
use crate::Error;

/// What is read at a time, at least.
const WINDOW_BYTES: usize = 256 << 10;
/// The most windows that are kept: more than there are threads on most machines.
const WINDOWS: usize = 64;

/// A tensor whose rows are read.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    pub(crate) tensor: Tensor<'a>,
    /// Those that no thread reads from just now, the longest unused first.
    windows: Mutex<Vec<Window>>,
}

/// A part of the file.
#[derive(Debug)]
struct Window {
    start: usize,
    bytes: Vec<u8>,
}

impl Window {
    /// The bytes of a place, where it is a part of this.
    fn get(&self, start: usize, bytes: usize) -> Option<&[u8]> {
        self.bytes
            .get(start.checked_sub(self.start)?..)?
            .get(..bytes)
    }
}

impl<'a> Rows<'a> {
    pub(crate) fn new(tensor: Tensor<'a>) -> Self {
        Self {
            tensor,
            windows: Mutex::default(),
        }
    }

    /// What `read` makes of the bytes of a row.
    pub(crate) fn with<T>(&self, row: usize, read: impl FnOnce(&[u8]) -> T) -> Result<T, Error> {
        let bytes = self.tensor.place.len() / self.tensor.shape[0];
        let start = self.tensor.place.start + row * bytes;
        let window = self.window(start, bytes)?;
        let done = read(window.get(start, bytes).unwrap_or_default());
        let mut windows = self.windows();
        if windows.len() == WINDOWS {
            windows.remove(0);
        }
        windows.push(window);
        Ok(done)
    }

    /// A window with these bytes, which nobody else has meanwhile.
    fn window(&self, start: usize, bytes: usize) -> Result<Window, Error> {
        let mut windows = self.windows();
        let holds = |window: &Window| window.get(start, bytes).is_some();
        if let Some(known) = windows.iter().rposition(holds) {
            return Ok(windows.remove(known));
        }
        drop(windows);
        let end = self.tensor.place.end.min(start + bytes.max(WINDOW_BYTES));
        let bytes = self.tensor.file.read(start..end)?;
        Ok(Window { start, bytes })
    }

    fn windows(&self) -> MutexGuard<'_, Vec<Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
