//! The large pieces of memory: packed weights, keys and values.
//!
//! They lie in anonymous memory that asks for huge pages: decoding streams through gigabytes, and with 4 KiB
//! pages address translation costs a fifth of the bandwidth, and of attention over thousands of tokens a quarter of the
//! time. With `--cfg plain_memory`, and under Miri, which knows no maps, all are plain allocations, so that a
//! tool that checks memory knows where each of them ends.

#[cfg(not(any(miri, plain_memory)))]
mod page_slices;

use std::ops::{Deref, DerefMut};

#[cfg(not(any(miri, plain_memory)))]
use memmap2::MmapMut;

use crate::Error;
#[cfg(not(any(miri, plain_memory)))]
pub(crate) use page_slices::{PageSlice, page_slices};
#[cfg(any(miri, plain_memory))]
pub(crate) use plain::{PageSlice, page_slices};

/// Memory that is zero until it is written.
#[derive(Debug)]
pub(crate) struct HugePages(
    #[cfg(not(any(miri, plain_memory)))] MmapMut,
    #[cfg(any(miri, plain_memory))] plain::CacheLines,
);

impl HugePages {
    /// # Errors
    /// [`Error::NoMemory`] when there is not enough.
    pub(crate) fn new(bytes: usize) -> Result<Self, Error> {
        #[cfg(not(any(miri, plain_memory)))]
        let memory = MmapMut::map_anon(bytes.max(1)).inspect(|memory| {
            #[cfg(target_os = "linux")]
            // A refusal only costs speed.
            let _ = memory.advise(memmap2::Advice::HugePage);
        });
        #[cfg(any(miri, plain_memory))]
        let memory = std::io::Result::Ok(plain::CacheLines::new(bytes));
        memory
            .map(Self)
            .map_err(|reason| Error::NoMemory { bytes, reason })
    }
}

impl Deref for HugePages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for HugePages {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

#[cfg(any(miri, plain_memory))]
mod plain {
    use std::ops::{Deref, DerefMut};

    use bytemuck::Pod;

    use crate::Error;

    /// As aligned as what kernels read from huge pages.
    #[derive(Clone, Copy, Pod, bytemuck::Zeroable)]
    #[repr(C, align(64))]
    struct CacheLine([u8; 64]);

    pub(super) struct CacheLines {
        lines: Vec<CacheLine>,
        bytes: usize,
    }

    impl CacheLines {
        pub(super) fn new(bytes: usize) -> Self {
            let lines = vec![CacheLine([0; 64]); bytes.div_ceil(64)];
            Self { lines, bytes }
        }
    }

    impl std::fmt::Debug for CacheLines {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{} bytes", self.bytes)
        }
    }

    impl Deref for CacheLines {
        type Target = [u8];

        fn deref(&self) -> &[u8] {
            &bytemuck::cast_slice(&self.lines)[..self.bytes]
        }
    }

    impl DerefMut for CacheLines {
        fn deref_mut(&mut self) -> &mut [u8] {
            &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.bytes]
        }
    }

    pub(crate) type PageSlice<T> = Box<[T]>;

    /// So many slices of `len` zeros.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "in pages there may be not enough memory"
    )]
    pub(crate) fn page_slices<T: Pod>(
        len: usize,
        count: usize,
    ) -> Result<impl Iterator<Item = PageSlice<T>>, Error> {
        Ok(std::iter::repeat_with(move || vec![T::zeroed(); len].into()).take(count))
    }
}
