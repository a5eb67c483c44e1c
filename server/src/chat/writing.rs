//! An answer from the question on: the engine is asked, its events become text, and its end is written down.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use nibble_app::domain::{End, EndReason, Id, Metrics};
use nibble_engine::{Completion, Error, Event, FinishReason, Request};

use super::complaints::reason;
use super::outlook::Known;
use crate::metered::{Metered, MeteredAnswer};
use crate::runs::{Asker, Run, Runs};
use crate::served::Served;
use crate::store::{Begun, Part, Store, StoreError, Written};

/// What a person reads who comes back too late.
pub(super) const LEFT: &str =
    "its page was closed while it waited for its turn, so others took its place; ask again";

/// How often an end that could not be written down is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// How often it is looked what became of an answer that another process writes.
const LOOK: Duration = Duration::from_millis(500);

/// What writes answers.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) models: Served,
    pub(super) store: Arc<dyn Store>,
    pub(super) runs: Arc<Runs>,
}

impl Writer {
    /// Asks a model.
    ///
    /// # Errors
    /// Those of its engine.
    pub(super) async fn ask(
        &self,
        model: &Metered,
        run: &Run,
        request: Request,
    ) -> Result<MeteredAnswer, Error> {
        let answer = model.submit(request).await?;
        run.attach(answer.stopper());
        Ok(answer)
    }

    /// Ready when an answer has ended, whichever process writes it.
    pub(super) async fn until_done(&self, answer: Id) {
        loop {
            if let Some(run) = self.runs.get(answer) {
                return run.until_ended().await;
            }
            match self.store.answer(answer).await {
                Ok(Some(answer)) if answer.end.is_none() => {}
                _ => return,
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The answer before this one in its branch, while it is not ended.
    pub(super) async fn open_before(&self, begun: &Begun) -> Option<Id> {
        let tip = Some(begun.turn.answer.id);
        let window = self.window(begun.conversation.id, tip, Part::Last(2));
        let mut turns = window.await.ok()?.turns.into_iter().rev().skip(1);
        let answer = turns.next()?.answer;
        answer.end.is_none().then_some(answer.id)
    }

    /// Writes an answer to its end, whoever reads it; `known` is what was known when it was asked for, and `before` what it
    /// took until it was cut off, where it goes on.
    pub(super) async fn write(
        &self,
        id: Id,
        run: &Run,
        answer: MeteredAnswer,
        known: Option<Known>,
        before: Option<Metrics>,
    ) {
        let mut end = written(answer, run, known).await;
        if let Some(before) = before {
            end.metrics = Some(before.and(&end.metrics.unwrap_or_default()));
        }
        self.end(id, run, end).await;
    }

    /// Ends a run, and keeps its text where readers find it until it is in the store.
    pub(super) async fn end(&self, id: Id, run: &Run, end: End) {
        run.end(end.clone());
        let (thought, text) = run.written();
        let written = Written { id, thought, text };
        let mut failed = None;
        while let Err(error) = self.store.finish(&written, &end).await {
            let reason = error.to_string();
            if failed.as_ref() != Some(&reason) {
                tracing::error!("an answer waits to be written down: {reason}");
                failed = Some(reason);
            }
            tokio::time::sleep(AGAIN).await;
        }
        self.runs.remove(id);
    }
}

/// Ends an answer of this process early; one that was not begun is withdrawn with its question.
///
/// # Errors
/// Those of the store.
pub(super) async fn stop(
    store: &dyn Store,
    runs: &Runs,
    id: Id,
    run: &Run,
) -> Result<(), StoreError> {
    if run.stop() {
        return Ok(());
    }
    // Readers look for it when it ends, and are to find that it is gone.
    let withdrawn = store.withdraw(id).await;
    runs.remove(id);
    run.end(End {
        reason: EndReason::Stopped,
        metrics: None,
    });
    withdrawn
}

/// One that waits for its turn gives its place up when those who read it have left.
async fn written(mut answer: MeteredAnswer, run: &Run, known: Option<Known>) -> End {
    let nobody = Asker::default();
    let mut left = pin!(run.left_waiting(&nobody));
    let mut foreseen = None;
    loop {
        let event = tokio::select! {
            event = answer.next() => event,
            () = &mut left => return End::failed(LEFT),
        };
        let Some(event) = event else {
            return End::failed(reason(&Error::Stopped).to_string());
        };
        match event {
            Event::Queued { before, seconds } => run.queued(before, seconds),
            Event::Prefill { done, total } => {
                // At first those are done that were cached.
                foreseen = foreseen.or_else(|| Some(known?.expected(total, done)));
                run.prefill(done, total);
            }
            Event::Thought(thought) => run.think(&thought),
            Event::Text(text) => run.append(&text),
            // The page offers no tools.
            Event::Called(_) | Event::Learned(_) => {}
            Event::Finished(completion) => {
                let mut end = ended(completion, answer.is_cut_off());
                if let Some(metrics) = &mut end.metrics {
                    metrics.foreseen = foreseen.flatten();
                }
                return end;
            }
            Event::Failed(error) => {
                let mut end = End::failed(reason(&error).to_string());
                if let Error::TooLate { spent, .. } = error {
                    end.metrics = spent.map(|spent| metrics(*spent));
                }
                return end;
            }
        }
    }
}

fn ended(completion: Completion, cut_off: bool) -> End {
    let reason = match completion.finish_reason {
        FinishReason::Stop => EndReason::Complete,
        FinishReason::Length => EndReason::MaxTokens,
        FinishReason::Context => EndReason::Context,
        FinishReason::Repetition => EndReason::Repetition,
        FinishReason::Cancelled if cut_off => EndReason::CutOff,
        FinishReason::Cancelled => EndReason::Stopped,
    };
    End {
        reason,
        metrics: Some(metrics(completion)),
    }
}

/// The figures of an answer that has ended.
pub(crate) fn metrics(completion: Completion) -> Metrics {
    let measured = completion.metrics;
    Metrics {
        time_to_first_token_s: measured.time_to_first_token_s,
        time_to_first_answer_token_s: measured.time_to_first_answer_token_s,
        thought_s: measured.thought_s,
        thought_tokens: measured.thought_tokens,
        queued_s: measured.queued_s,
        loading_s: measured.loading_s.unwrap_or(0.0),
        prefill_s: measured.prefill_s,
        prefill_tokens_per_second: measured.prefill_tokens_per_second,
        decode_tokens_per_second: measured.decode_tokens_per_second,
        time_per_output_token_ms: measured.time_per_output_token_ms,
        total_s: measured.total_s,
        usd_per_million_tokens: measured.usd_per_million_tokens,
        usd_total: measured.usd_total,
        usd_share: measured.usd_share,
        usd_alone: measured.usd_alone,
        beside: measured.beside,
        beside_engines: measured.beside_engines,
        paused_s: measured.paused_s.unwrap_or(0.0),
        throttled_s: measured.throttled_s,
        prompt_tokens: completion.prompt_tokens,
        cached_tokens: completion.cached_tokens,
        output_tokens: measured.completion_tokens,
        drafted_tokens: measured.drafted_tokens,
        accepted_tokens: measured.accepted_tokens,
        guesses_s: measured.guesses_s,
        foreseen: None,
    }
}
