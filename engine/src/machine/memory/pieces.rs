//! Memory in huge pages that many own a piece of.

use std::alloc::{self, Layout};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use bytemuck::Pod;

use super::HugePages;

/// Numbers that nobody else uses.
#[derive(Debug)]
pub(crate) struct Piece<T> {
    start: NonNull<T>,
    len: usize,
    /// Keeps the numbers where they are.
    _memory: Arc<HugePages>,
}

/// So many pieces of `len` zeros, one after the other in memory.
pub(crate) fn pieces<T: Pod>(len: usize, count: usize) -> impl Iterator<Item = Piece<T>> {
    let layout = Layout::array::<T>(len * count).expect("less than all of memory");
    // The end of every other collection that the system has no memory for.
    let memory = HugePages::new(layout.size());
    let mut memory = memory.unwrap_or_else(|_| alloc::handle_alloc_error(layout));
    let start = NonNull::from(&mut memory[..]).cast::<T>();
    let memory = Arc::new(memory);
    (0..count).map(move |index| Piece {
        // SAFETY: the memory has `len * count` numbers.
        start: unsafe { start.add(index * len) },
        len,
        _memory: Arc::clone(&memory),
    })
}

// SAFETY: a piece is the only one that refers to its numbers.
unsafe impl<T: Send> Send for Piece<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Piece<T> {}

impl<T> Deref for Piece<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: pages are as aligned as any number, and these hold zeros or what was written, for as long as the piece
        // lives; no other piece has them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for Piece<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}
