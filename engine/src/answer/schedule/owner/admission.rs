//! Who comes in, goes on or leaves between two steps.

use std::sync::atomic::Ordering;

use super::Owner;
use crate::answer::generation::Generation;
use crate::answer::pending::PendingAnswer;
use crate::answer::policy::{self, View};
use crate::answer::schedule::step_model::StepModel;
use crate::answer::schedule::{Limits, locked};
use crate::{Error, Event, FinishReason};

/// What decides about answers, in their order.
pub(super) fn views(answers: &[Generation]) -> Vec<View> {
    answers.iter().map(Generation::view).collect()
}

impl<M: StepModel> Owner<M> {
    /// Ends what nobody wants any more and what took too long.
    pub(super) fn drop_ended(&mut self) {
        let now = self.model.now();
        if self.waiting.waiting() > 0 {
            let Limits { wait, total, .. } = self.limits;
            let longest = wait.into_iter().chain(total).min();
            for pending in self.waiting.take_ended(now, longest) {
                match self.limits.passed_waiting(pending.waited(now)) {
                    Some(error) if !pending.is_cancelled() => {
                        pending.answer.send(Event::Failed(error));
                    }
                    _ => pending.cancel(now, self.model.machine()),
                }
            }
        }
        let total = self.limits.total;
        let late = |generation: &Generation| total.filter(|total| generation.age(now) > *total);
        let has_ended =
            |generation: &Generation| generation.is_cancelled() || late(generation).is_some();
        if !self.answers.iter().any(has_ended) {
            return;
        }
        while let Some(index) = self.answers.iter().position(has_ended) {
            let generation = self.answers.remove(index);
            match late(&generation).filter(|_| !generation.is_cancelled()) {
                None => self.finish(generation, FinishReason::Cancelled),
                Some(limit) => generation.fail(Error::TooLate { limit }),
            }
        }
        self.forget_served();
    }

    /// Lets answers that are paused go on, as far as there are blocks for all that they have to compute again, and a step for their
    /// tokens.
    pub(super) fn resume(&mut self) {
        let most = self.rates.running();
        let (memory, mut prefixes) = (&self.memory, locked(&self.prefixes));
        loop {
            let views = views(&self.answers);
            let running = policy::running(&views);
            let Some(index) = policy::to_resume(&views).filter(|_| running < most) else {
                return;
            };
            let paused = &mut self.answers[index];
            self.served.enter(paused.caller(), &views);
            paused.resume(memory, &mut prefixes, &self.rope);
            let missing = paused.missing(paused.pending().len());
            if !prefixes.make_room(memory, missing) && running > 0 {
                paused.pause(memory, self.model.now());
                return;
            }
        }
    }

    /// Takes in who waits, as far as there are blocks for their prompts and a step for their tokens. Where the answers of one caller
    /// are too many for others to have any, the youngest makes way.
    pub(super) fn admit(&mut self) {
        loop {
            let views = views(&self.answers);
            let is_full = policy::running(&views) >= self.rates.running();
            let making_way = policy::to_make_way(&views).filter(|_| is_full);
            if is_full && making_way.is_none() {
                return;
            }
            let may_begin = |caller| {
                let has_none = views.iter().all(|view| view.caller != caller);
                (has_none || !is_full) && policy::may_begin(caller, &views)
            };
            // Those that run have not come to all blocks of their prompts yet.
            let answers = self.answers.iter().enumerate();
            let going_on = answers.filter(|(index, answer)| {
                !answer.is_paused() && making_way.is_none_or(|paused| paused != *index)
            });
            let going_on = going_on.map(|(_, answer)| answer);
            let promised = going_on.map(|answer| answer.missing(answer.pending().len()));
            let promised: usize = promised.sum();
            let (memory, mut prefixes) = (&self.memory, locked(&self.prefixes));
            let (alone, rope) = (self.answers.is_empty(), &self.rope);
            let disk = self.disk.as_ref();
            let fits = |pending: &mut PendingAnswer| {
                // What is kept of it shall not make room for the rest.
                let mut cache = memory.new_cache();
                let len = pending.prompt.len();
                let known = pending.restorable();
                let found = prefixes.restore(known, |at| rope.length(len, at), &mut cache);
                if let (Some(disk), None) = (disk, &pending.reading) {
                    let reading = disk.read(known, len, found);
                    if reading.is_some() {
                        pending.reading = reading;
                        return false;
                    }
                }
                prefixes.make_room(memory, promised + cache.missing(len + 1)) || alone
            };
            let taken = self.waiting.take(may_begin, fits);
            drop(prefixes);
            let Some(pending) = taken else {
                return;
            };
            if let Some(index) = making_way {
                self.pause(index);
            }
            self.begin(pending);
        }
    }

    fn begin(&mut self, pending: PendingAnswer) {
        self.served.enter(pending.caller, &views(&self.answers));
        self.in_hand = Some(pending.answer.clone());
        let reading = pending.reading.clone();
        let prompt = pending.prompt.len() as u64;
        let ((kernel, _), now) = (self.model.machine(), self.model.now());
        let mut prefixes = locked(&self.prefixes);
        let kv = (&self.memory, &mut *prefixes);
        let mut generation =
            Generation::begin(pending, now, &self.tokenizer, kernel, &self.rope, kv);
        drop(prefixes);
        generation.throttled(self.model.throttled());
        let found = generation.cached_tokens() as u64;
        self.load
            .prefix_queries
            .fetch_add(prompt, Ordering::Relaxed);
        self.load.prefix_hits.fetch_add(found, Ordering::Relaxed);
        let read = reading.map_or(0, |reading| reading.share(generation.cached_tokens()));
        self.load
            .prefix_disk_hits
            .fetch_add(read as u64, Ordering::Relaxed);
        self.answers.push(generation);
        self.in_hand = None;
    }
}
