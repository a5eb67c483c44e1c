//! Who comes in, goes on or leaves between two steps.

use std::sync::atomic::Ordering;

use super::Owner;
use crate::answer::generation::Generation;
use crate::answer::pending::PendingAnswer;
use crate::answer::policy::{self, View};
use crate::answer::schedule::step_model::StepModel;
use crate::answer::schedule::{Limits, locked};
use crate::{Event, FinishReason};

/// What decides about answers, in their order.
pub(super) fn views(answers: &[Generation]) -> Vec<View> {
    answers.iter().map(Generation::view).collect()
}

/// Memory for all that those that run have to compute: they have not come to all blocks of their prompts yet.
fn promised(answers: &[Generation]) -> usize {
    let running = answers.iter().filter(|answer| !answer.is_paused());
    let missing = running.map(|answer| answer.missing(answer.pending().len()));
    missing.sum()
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
            let mut generation = self.answers.remove(index);
            if let Some(limit) = late(&generation).filter(|_| !generation.is_cancelled()) {
                generation.passes(limit);
            }
            self.finish(generation, FinishReason::Cancelled);
        }
        self.forget_served();
    }

    /// Lets answers that are paused go on, as far as there are blocks for all that they have to compute again, and a step for their
    /// tokens. For a caller of whom none runs, those of others make way.
    pub(super) fn resume(&mut self) {
        let most = self.rates.running();
        loop {
            let views = views(&self.answers);
            let running = policy::running(&views);
            let to_resume = policy::to_resume(&views, &self.served);
            let Some(index) = to_resume.filter(|_| running < most) else {
                return;
            };
            let (memory, mut prefixes) = (&self.memory, locked(&self.prefixes));
            let promised = promised(&self.answers);
            let paused = &mut self.answers[index];
            let caller = paused.caller();
            self.served.enter(caller, &views);
            paused.resume(memory, &mut prefixes, &self.rope);
            let needed = promised + paused.missing(paused.pending().len());
            if prefixes.make_room(memory, needed) || running == 0 {
                continue;
            }
            let lacking = prefixes.lacking(memory, needed);
            drop(prefixes);
            let lends = |index: usize| self.answers[index].lends();
            let making_way = (policy::running_of(caller, &views) == 0)
                .then(|| policy::to_make_way(&views, 1, lacking, lends))
                .flatten();
            self.answers[index].pause(&self.memory, self.model.now());
            let Some(making_way) = making_way else {
                return;
            };
            making_way.into_iter().for_each(|index| self.pause(index));
        }
    }

    /// Takes in who waits, as far as there are blocks for their prompts and a step for their tokens. Then those who have no answer,
    /// where the answers of others are too many for them to have any: the youngest of these make way.
    pub(super) fn admit(&mut self) {
        while self.waiting.waiting() > 0 && (self.admit_one(false) || self.admit_one(true)) {}
    }

    /// Takes in the next of those who wait, or where others are to `make_way` of those who have none; false where nobody can be.
    fn admit_one(&mut self, make_way: bool) -> bool {
        let views = views(&self.answers);
        let is_full = policy::running(&views) >= self.rates.running();
        let least = usize::from(is_full);
        let others_may = || policy::to_make_way(&views, least, 0, |_| 0).is_some();
        if is_full && !(make_way && others_may()) {
            return false;
        }
        let may_begin = |caller| {
            (!make_way || policy::has_none(caller, &views)) && policy::may_begin(caller, &views)
        };
        let (memory, mut prefixes) = (&self.memory, locked(&self.prefixes));
        let (answers, rope) = (&self.answers, &self.rope);
        let disk = self.disk.as_ref();
        let mut making_way = Vec::new();
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
            let needed = promised(answers) + cache.missing(len + 1);
            if !is_full && prefixes.make_room(memory, needed) || answers.is_empty() {
                return true;
            }
            let lacking = prefixes.lacking(memory, needed);
            let lends = |index: usize| answers[index].lends();
            let pausing = make_way.then(|| policy::to_make_way(&views, least, lacking, lends));
            making_way = pausing.flatten().unwrap_or_default();
            !making_way.is_empty()
        };
        let taken = self.waiting.take(may_begin, fits);
        drop(prefixes);
        let Some(pending) = taken else {
            return false;
        };
        making_way.into_iter().for_each(|index| self.pause(index));
        self.begin(pending);
        true
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
        if let Some(conversation) = generation.conversation() {
            let said = self.recalled.find(conversation, now);
            if !said.is_empty() {
                generation.recall(said);
            }
        }
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
