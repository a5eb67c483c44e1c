//! What the threads of a stage write: each its own items.

use std::marker::PhantomData;
use std::ops::Range;

/// Items that threads share out among them. Whoever takes a chunk of them may write what belongs to its items.
///
/// # Safety
/// Chunks of ranges that do not overlap have nothing in common that one of them can write, and what has something that
/// can be written is not copied or cloned.
pub(crate) unsafe trait DisjointItems: Sync {
    /// What belongs to some neighbouring items.
    type Chunk;

    fn count(&self) -> usize;

    /// Bytes that belong to all of them.
    fn bytes(&self) -> usize;

    /// What belongs to the items of `range`.
    ///
    /// # Safety
    /// No item is taken twice.
    unsafe fn chunk(&self, range: Range<usize>) -> Self::Chunk;

    /// All items in turn, each by itself.
    fn one_by_one(self) -> impl Iterator<Item = Self::Chunk>
    where
        Self: Sized,
    {
        // SAFETY: nobody else has the items, and each is taken once.
        (0..self.count()).map(move |item| unsafe { self.chunk(item..item + 1) })
    }
}

// SAFETY: nothing belongs to a number.
unsafe impl DisjointItems for usize {
    type Chunk = ();

    fn count(&self) -> usize {
        *self
    }

    fn bytes(&self) -> usize {
        0
    }

    unsafe fn chunk(&self, _: Range<usize>) {}
}

/// A slice in rows of equal length, each of which is an item.
pub(crate) struct SliceRows<'a, T> {
    slices: DisjointSlices<'a, T>,
    width: usize,
}

impl<'a, T> SliceRows<'a, T> {
    /// # Panics
    /// When the slice is not whole rows.
    pub(crate) fn new(slice: &'a mut [T], width: usize) -> Self {
        assert!(
            slice.len().is_multiple_of(width),
            "{} in rows of {width}",
            slice.len()
        );
        let slices = DisjointSlices::new(slice);
        Self { slices, width }
    }
}

// SAFETY: a chunk is the rows of its range, which overlap with no others.
unsafe impl<'a, T: Send> DisjointItems for SliceRows<'a, T> {
    type Chunk = &'a mut [T];

    fn count(&self) -> usize {
        self.slices.len / self.width
    }

    fn bytes(&self) -> usize {
        self.slices.bytes()
    }

    unsafe fn chunk(&self, range: Range<usize>) -> &'a mut [T] {
        let elements = range.start * self.width..range.end * self.width;
        // SAFETY: no row is taken twice, by the contract.
        unsafe { self.slices.slice(elements) }
    }
}

// SAFETY: what belongs to the items of each is disjoint.
unsafe impl<I: DisjointItems, const N: usize> DisjointItems for [I; N] {
    type Chunk = [I::Chunk; N];

    fn count(&self) -> usize {
        let count = self[0].count();
        assert!(self.iter().all(|items| items.count() == count));
        count
    }

    fn bytes(&self) -> usize {
        self.iter().map(I::bytes).sum()
    }

    unsafe fn chunk(&self, range: Range<usize>) -> [I::Chunk; N] {
        // SAFETY: handed on to the caller.
        self.each_ref()
            .map(|items| unsafe { items.chunk(range.clone()) })
    }
}

// SAFETY: as above.
unsafe impl<A: DisjointItems, B: DisjointItems> DisjointItems for (A, B) {
    type Chunk = (A::Chunk, B::Chunk);

    fn count(&self) -> usize {
        assert_eq!(self.0.count(), self.1.count());
        self.0.count()
    }

    fn bytes(&self) -> usize {
        self.0.bytes() + self.1.bytes()
    }

    unsafe fn chunk(&self, range: Range<usize>) -> Self::Chunk {
        // SAFETY: handed on to the caller.
        let first = unsafe { self.0.chunk(range.clone()) };
        // SAFETY: as above.
        (first, unsafe { self.1.chunk(range) })
    }
}

/// A buffer of which several threads have disjoint slices.
///
/// The borrow checker cannot follow a division that is decided while a stage runs; whoever takes a slice vouches for it
/// instead.
pub(crate) struct DisjointSlices<'a, T> {
    start: *mut T,
    len: usize,
    buffer: PhantomData<&'a mut [T]>,
}

impl<T> Clone for DisjointSlices<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for DisjointSlices<'_, T> {}

// SAFETY: the only access is by `slice` and `element`, whose callers promise that what is taken is disjoint.
unsafe impl<T: Send> Sync for DisjointSlices<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for DisjointSlices<'_, T> {}

impl<'a, T> DisjointSlices<'a, T> {
    pub(crate) fn new(buffer: &'a mut [T]) -> Self {
        Self {
            start: buffer.as_mut_ptr(),
            len: buffer.len(),
            buffer: PhantomData,
        }
    }

    /// Bytes of the whole buffer.
    pub(crate) fn bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// The elements of `range`.
    ///
    /// # Safety
    /// As long as the slice lives, nobody takes or uses any of its elements by another.
    ///
    /// # Panics
    /// When `range` is outside the buffer.
    #[inline]
    pub(crate) unsafe fn slice(&self, range: Range<usize>) -> &'a mut [T] {
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

    /// One element.
    ///
    /// # Safety
    /// As of [`DisjointSlices::slice`].
    pub(super) unsafe fn element(&self, index: usize) -> &'a mut T {
        // SAFETY: handed on to the caller.
        let one = unsafe { self.slice(index..index + 1) };
        &mut one[0]
    }
}
