//! How far the threads of a stage have come with their ranges of the work.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far the work of one thread's range has come, in a cache line of its own: as long as no other thread takes from the
/// range, its thread takes the next chunk without waiting for anybody.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The stage in the high half, the first item that nobody took in the low. Of another stage it means that nothing
    /// was taken yet.
    next: AtomicU64,
}

impl Taken {
    /// Takes some of what is left of `range`, within `sizes`. The range's own thread leaves an eighth of it for the end,
    /// which goes by halves, as does what other threads take: all are done at almost the same time.
    pub(super) fn chunk(
        &self,
        stage: u32,
        range: &Range<usize>,
        [smallest, largest]: [usize; 2],
        own: bool,
    ) -> Option<Range<usize>> {
        let (stage, order) = (u64::from(stage) << 32, Ordering::Relaxed);
        let mut state = self.next.load(order);
        loop {
            let start = if state & !LOW == stage {
                (state & LOW) as usize
            } else {
                range.start
            };
            if start >= range.end {
                return None;
            }
            let (left, reserve) = (range.end - start, range.len() / 8);
            let chunk = if own && left > 2 * reserve {
                left - reserve
            } else {
                left.div_ceil(2)
            };
            let chunk = chunk.clamp(smallest, largest);
            let end = start + (chunk / smallest * smallest).min(left);
            match self
                .next
                .compare_exchange_weak(state, stage | end as u64, order, order)
            {
                Ok(_) => return Some(start..end),
                Err(now) => state = now,
            }
        }
    }
}

/// The half of [`Taken`] that counts items.
const LOW: u64 = u32::MAX as u64;
