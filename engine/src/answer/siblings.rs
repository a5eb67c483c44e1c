//! Several answers to one prompt, which is read once: the first submitted leads, and the others wait until what it computed of
//! the prompt is kept, and go on from there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What requests with the same prompt have in common. Whoever holds it must have the same prompt.
#[derive(Clone, Debug, Default)]
pub struct Siblings(Arc<Family>);

#[derive(Debug, Default)]
struct Family {
    tokens: OnceLock<Vec<u32>>,
    is_led: AtomicBool,
    is_read: AtomicBool,
}

/// The first of the siblings. Dropping it lets the others go on.
#[derive(Debug)]
pub(crate) struct Lead(Siblings);

impl PartialEq for Siblings {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Siblings {
    /// The lead, for the first who asks.
    pub(crate) fn lead(&self) -> Option<Lead> {
        let is_led = self.0.is_led.swap(true, Ordering::Relaxed);
        (!is_led).then(|| Lead(self.clone()))
    }

    /// Whether the prompt was read, or will not be.
    pub(crate) fn is_read(&self) -> bool {
        self.0.is_read.load(Ordering::Acquire)
    }

    /// The tokens of the prompt, once they are known.
    pub(crate) fn tokens(&self) -> Option<&[u32]> {
        self.0.tokens.get().map(Vec::as_slice)
    }

    /// Tells the others the tokens of the prompt.
    pub(crate) fn know(&self, tokens: &[u32]) {
        // Whoever was first knew the same.
        self.0.tokens.get_or_init(|| tokens.to_vec());
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.0.0.is_read.store(true, Ordering::Release);
    }
}
