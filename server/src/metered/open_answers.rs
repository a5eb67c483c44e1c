//! Which answers are open, and whether others may be opened.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nibble_engine::Stopper;
use tokio::sync::watch;

#[derive(Default)]
pub(super) struct OpenAnswers {
    pub(super) ending: AtomicBool,
    next: AtomicU64,
    tickets: Mutex<HashMap<u64, Arc<Ticket>>>,
    pub(super) count: watch::Sender<usize>,
}

/// What is known of an open answer from outside.
pub(super) struct Ticket {
    id: u64,
    pub(super) stopper: Stopper,
    pub(super) cut_off: AtomicBool,
}

impl OpenAnswers {
    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self, stopper: Stopper) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            stopper,
            cut_off: AtomicBool::new(false),
        });
        let mut tickets = self.lock();
        tickets.insert(ticket.id, Arc::clone(&ticket));
        self.count.send_replace(tickets.len());
        ticket
    }

    pub(super) fn leave(&self, ticket: &Ticket) {
        let mut tickets = self.lock();
        tickets.remove(&ticket.id);
        self.count.send_replace(tickets.len());
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Ticket>>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
