//! Memory in huge pages that many own a slice of.

use std::alloc::Layout;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use bytemuck::Pod;

use super::HugePages;
use crate::Error;

/// Numbers that nobody else uses.
#[derive(Debug)]
pub(crate) struct PageSlice<T> {
    start: NonNull<T>,
    len: usize,
    /// Keeps the numbers where they are.
    _memory: Arc<HugePages>,
}

/// So many slices of `len` zeros, one after the other in memory.
///
/// # Errors
/// [`Error::NoMemory`] when there is not enough.
pub(crate) fn page_slices<T: Pod>(
    len: usize,
    count: usize,
) -> Result<impl Iterator<Item = PageSlice<T>>, Error> {
    let layout = Layout::array::<T>(len * count).expect("less than all of memory");
    let mut memory = HugePages::new(layout.size())?;
    let start = NonNull::from(&mut memory[..]).cast::<T>();
    let memory = Arc::new(memory);
    Ok((0..count).map(move |index| PageSlice {
        // SAFETY: the memory has `len * count` numbers.
        start: unsafe { start.add(index * len) },
        len,
        _memory: Arc::clone(&memory),
    }))
}

// SAFETY: a slice is the only one that refers to its numbers.
unsafe impl<T: Send> Send for PageSlice<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for PageSlice<T> {}

impl<T> Deref for PageSlice<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: pages are as aligned as any number, and these hold zeros or what was written, for as long as the slice
        // lives; no other slice has them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for PageSlice<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}
