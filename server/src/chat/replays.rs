//! Answers that are computed again: the same request to the same engine, and whether the same comes out.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use nibble_app::chat::{Replay, Replaying, Speeds};
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::domain::{Answer, Changed, EndReason, Id, Parting, Replayed};
use nibble_app::language::{Language, Told};
use nibble_app::visitor::{Owner, Visitor};
use nibble_engine::{Caller, Error, Event, FinishReason};
use tokio::sync::watch;

use super::ChatService;
use super::complaints::reason;
use crate::metered::MeteredAnswer;

/// What came of so many is remembered.
const REMEMBERED: usize = 64;

/// Answers that were computed again lately, oldest first.
#[derive(Default)]
pub(super) struct Replays(Mutex<VecDeque<Entry>>);

struct Entry {
    owner: Owner,
    answer: Id,
    state: watch::Receiver<Replay>,
}

impl Replays {
    /// Takes the owner's place; nothing while another of theirs is computed, or as many as are remembered.
    fn enter(&self, owner: Owner, answer: Id, replay: Replay) -> Option<watch::Sender<Replay>> {
        let mut entries = self.entries();
        // One whose computing died is over, too.
        let runs = |entry: &Entry| {
            let is_open = entry.state.borrow().outcome.is_none();
            is_open && entry.state.has_changed().is_ok()
        };
        if entries
            .iter()
            .any(|entry| entry.owner == owner && runs(entry))
        {
            return None;
        }
        if entries.len() >= REMEMBERED {
            let ended = entries.iter().position(|entry| !runs(entry))?;
            entries.remove(ended);
        }
        let (sender, state) = watch::channel(replay);
        entries.retain(|entry| entry.answer != answer);
        entries.push_back(Entry {
            owner,
            answer,
            state,
        });
        Some(sender)
    }

    fn state(&self, owner: Owner, answer: Id) -> Option<watch::Receiver<Replay>> {
        let entries = self.entries();
        let mut entries = entries.iter();
        let found = entries.find(|entry| entry.owner == owner && entry.answer == answer)?;
        Some(found.state.clone())
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl nibble_app::chat::Replays for ChatService {
    async fn replay(&self, visitor: Visitor, answer: Id) -> Result<(), Complaint> {
        let found = self.own_answer(visitor, answer).await?;
        let (before, conversation) = found.ok_or_else(Complaint::gone)?;
        let (then, now) = (&before.origin, self.origin(before.origin.settings.clone()));
        if before.end.is_none() {
            return Err(refused(Told::new(Language::replay_not_ended)));
        }
        if then.model.is_empty() {
            return Err(refused(Told::new(Language::replay_unknown)));
        }
        if then.model != now.model {
            return Err(refused(Told::new(|t| {
                t.replay_other_model(&then.model, &now.model)
            })));
        }
        self.may_ask_of(visitor, answer).await?;
        let replay = Replay {
            changed: Changed::between(then, &now),
            tokens: 0,
            outcome: None,
        };
        let busy = || refused(Told::new(Language::replay_busy));
        let state = self.replays.enter(visitor.owner, answer, replay);
        let state = state.ok_or_else(busy)?;
        let (writer, caller) = (self.writer.clone(), Caller(visitor.caller));
        // A model may have to be loaded first.
        tokio::spawn(async move {
            let outcome = match writer.asked_again(conversation, answer, caller).await {
                Ok(asked) => computed(asked, &before, &state).await,
                Err(complaint) => {
                    Replayed::Failed(complaint.reason.told(visitor.language).to_owned())
                }
            };
            state.send_modify(|replay| replay.outcome = Some(outcome));
        });
        Ok(())
    }

    fn replayed(&self, visitor: Visitor, answer: Id) -> Option<Replaying> {
        let state = self.replays.state(visitor.owner, answer)?;
        let steps = stream::unfold(Some((state, false)), async |known| {
            let (mut state, is_told) = known?;
            let has_died = is_told && state.changed().await.is_err();
            let replay = state.borrow_and_update().clone();
            let goes_on = replay.outcome.is_none() && !has_died;
            Some((replay, goes_on.then_some((state, true))))
        });
        Some(Box::pin(steps))
    }
}

fn refused(reason: Told) -> Complaint {
    Complaint {
        reason,
        kind: ComplaintKind::Unavailable,
    }
}

/// Reads what is computed to its end, and says what came of it.
async fn computed(
    mut asked: MeteredAnswer,
    before: &Answer,
    state: &watch::Sender<Replay>,
) -> Replayed {
    let (mut thought, mut text) = (String::new(), String::new());
    loop {
        match asked.next().await {
            Some(Event::Thought(piece)) => thought.push_str(&piece),
            Some(Event::Text(piece)) => text.push_str(&piece),
            Some(Event::Finished(completion)) => {
                let now = Computed {
                    thought,
                    text,
                    tokens: completion.metrics.completion_tokens,
                };
                return outcome(before, &now, completion.finish_reason);
            }
            Some(Event::Failed(error)) => return Replayed::Failed(reason(&error).to_string()),
            None => return Replayed::Failed(reason(&Error::Stopped).to_string()),
            Some(_) => continue,
        }
        state.send_modify(|replay| replay.tokens += 1);
    }
}

/// What was computed again.
struct Computed {
    thought: String,
    text: String,
    tokens: usize,
}

/// Whether it is the same: the thought, the text, and how many tokens they are of, where that was kept. What was cut off is
/// compared as far as it goes, and so is what went on from there, of which a single answer is the beginning.
fn outcome(before: &Answer, now: &Computed, finish: FinishReason) -> Replayed {
    let (then, again) = (
        (before.thought.as_str(), before.text.as_str()),
        (now.thought.as_str(), now.text.as_str()),
    );
    let end = before.end.as_ref();
    let was_cut_off = matches!(
        end.map(|end| &end.reason),
        Some(
            EndReason::Stopped | EndReason::CutOff | EndReason::Interrupted | EndReason::Failed(_)
        )
    );
    if finish == FinishReason::Cancelled {
        return Replayed::Failed(reason(&Error::Ending).to_string());
    }
    if then == again && !was_cut_off {
        let tokens = end.and_then(|end| end.metrics.as_ref());
        let tokens = tokens.map(|metrics| metrics.output_tokens);
        return match tokens.filter(|tokens| *tokens > 0) {
            Some(tokens) if tokens != now.tokens => Replayed::OtherTokens(tokens, now.tokens),
            _ => Replayed::Same(now.tokens),
        };
    }
    let goes_on = finish == FinishReason::Length && begins(then, again);
    if goes_on || (was_cut_off && begins(again, then)) {
        return Replayed::SameSoFar;
    }
    let parting = Parting::of(then.0, again.0).or_else(|| Parting::of(then.1, again.1));
    parting.map_or(Replayed::SameSoFar, Replayed::Differs)
}

/// Whether a thought and a text begin with others. Where there is no text yet, the thought may go on.
fn begins(whole: (&str, &str), begin: (&str, &str)) -> bool {
    match begin {
        (thought, "") => whole.0.starts_with(thought),
        (thought, text) => whole.0 == thought && whole.1.starts_with(text),
    }
}

#[cfg(test)]
mod tests;
