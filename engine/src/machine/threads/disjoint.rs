//! Buffers that several threads write.

use std::ops::Range;

/// A buffer that the threads of one stage write in disjoint parts.
///
/// The borrow checker cannot follow a division that is decided while the stage runs; whoever takes a part vouches
/// for it instead.
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    buffer: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: the only access is `Parts::part`, whose caller promises that parts taken at the same time are disjoint.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(buffer: &'a mut [T]) -> Self {
        Self {
            start: buffer.as_mut_ptr(),
            len: buffer.len(),
            buffer: std::marker::PhantomData,
        }
    }

    /// The elements of `range`.
    ///
    /// # Safety
    /// No other thread may use any element of `range` while the part lives.
    ///
    /// # Panics
    /// When `range` is outside the buffer.
    #[expect(
        clippy::mut_from_ref,
        reason = "handing out disjoint mutable parts is what this type is for"
    )]
    #[inline]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} of {}",
            self.len
        );
        // SAFETY: `range` is inside the buffer, by the assertion.
        let start = unsafe { self.start.add(range.start) };
        // SAFETY: these elements are initialised, borrowed mutably for `'a`, and used by nobody else, by the contract.
        unsafe { std::slice::from_raw_parts_mut(start, range.len()) }
    }
}
