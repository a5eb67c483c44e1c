//! The answers that are open, as the end of the program needs to know them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nibble_engine::Stopper;
use tokio::sync::watch;

#[derive(Default)]
pub(super) struct OpenAnswers {
    ending: watch::Sender<bool>,
    next: AtomicU64,
    tickets: Mutex<HashMap<u64, Arc<Ticket>>>,
    /// Of tickets, and of requests that may become answers.
    count: watch::Sender<usize>,
    is_cut_off: watch::Sender<bool>,
}

/// What is known of an open answer from outside.
pub(super) struct Ticket {
    id: u64,
    stopper: Stopper,
    cut_off: AtomicBool,
    /// Whose it is, by its place.
    model: usize,
    /// The most answers of other models that were open at a time meanwhile.
    others: AtomicUsize,
}

impl OpenAnswers {
    pub(super) fn is_ending(&self) -> bool {
        *self.ending.borrow()
    }

    /// Ready when no more are taken.
    pub(super) async fn ends(&self) {
        let mut ending = self.ending.subscribe();
        // The sender lives as long as `self`.
        let _ = ending.wait_for(|is| *is).await;
    }

    /// Enters an answer of a model.
    pub(super) fn enter(&self, stopper: Stopper, model: usize) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            stopper,
            cut_off: AtomicBool::new(false),
            model,
            others: AtomicUsize::new(0),
        });
        let mut tickets = self.lock();
        tickets.insert(ticket.id, Arc::clone(&ticket));
        let mut of_model: HashMap<usize, usize> = HashMap::new();
        for open in tickets.values() {
            *of_model.entry(open.model).or_default() += 1;
        }
        for open in tickets.values() {
            let others = tickets.len() - of_model[&open.model];
            open.others.fetch_max(others, Ordering::Relaxed);
        }
        // What was cut off before this one was there has passed it by.
        if *self.is_cut_off.borrow() {
            ticket.end();
        }
        drop(tickets);
        self.count.send_modify(|count| *count += 1);
        ticket
    }

    pub(super) fn leave(&self, ticket: &Ticket) {
        self.lock().remove(&ticket.id);
        self.count.send_modify(|count| *count -= 1);
    }

    pub(super) fn prepare(&self) -> Preparing<'_> {
        self.count.send_modify(|count| *count += 1);
        Preparing(self)
    }

    /// Ready when answers are cut off.
    pub(super) async fn is_cut_off(&self) {
        let mut is_cut_off = self.is_cut_off.subscribe();
        // The sender lives as long as `self`.
        let _ = is_cut_off.wait_for(|is| *is).await;
    }

    pub(super) fn refuse_from_now_on(&self) {
        self.ending.send_replace(true);
    }

    /// Ends every answer at its next token, and those that are still prepared at once.
    pub(super) fn cut_off(&self) {
        self.is_cut_off.send_replace(true);
        for ticket in self.lock().values() {
            ticket.end();
        }
    }

    /// Ready when there are none, nor requests that may become some.
    pub(super) async fn all_ended(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as `self`.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    /// How many there are, requests that may become some included.
    pub(super) fn watch(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    /// Whether there are none, nor requests that may become some.
    pub(super) fn is_empty(&self) -> bool {
        *self.count.borrow() == 0
    }

    /// Ready when there are some.
    pub(super) async fn is_asked(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as `self`.
        let _ = count.wait_for(|count| *count > 0).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Ticket>>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The most answers of other models that were open at a time meanwhile.
    pub(super) fn others(&self) -> usize {
        self.others.load(Ordering::Relaxed)
    }

    /// Ends its answer at its next token, as the program ends.
    fn end(&self) {
        self.cut_off.store(true, Ordering::Relaxed);
        self.stopper.stop();
    }

    /// Whether the end of the program ended it.
    pub(super) fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }
}

/// A request that may become an answer.
pub(super) struct Preparing<'a>(&'a OpenAnswers);

impl Drop for Preparing<'_> {
    fn drop(&mut self) {
        self.0.count.send_modify(|count| *count -= 1);
    }
}
