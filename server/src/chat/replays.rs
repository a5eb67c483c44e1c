//! Answers that are computed again: the same request to the same engine, and whether the same comes out.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use nibble_app::chat::{Replay, Replaying, Speeds};
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::domain::{Answer, Changed, EndReason, Id, Parting, Piece, Replayed};
use nibble_app::language::{Language, Told};
use nibble_app::visitor::{Owner, Visitor};
use nibble_engine::{Caller, Error, Event, FinishReason};
use tokio::sync::watch;

use super::ChatService;
use super::complaints::reason;
use super::writing::Writer;
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
        if is_cut_off(&before) && before.thought.is_empty() && before.text.is_empty() {
            return Err(refused(Told::new(Language::replay_nothing)));
        }
        let pieces = pieces(&before);
        if then.model.is_empty() || pieces.is_none() {
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
            is_told_the_same: !then.pieces.is_empty(),
            tokens: 0,
            outcome: None,
        };
        let busy = || refused(Told::new(Language::replay_busy));
        let state = self.replays.enter(visitor.owner, answer, replay);
        let state = state.ok_or_else(busy)?;
        let (writer, caller) = (self.writer.clone(), Caller(visitor.caller));
        // A model may have to be loaded first.
        tokio::spawn(async move {
            let again = Again {
                writer: &writer,
                conversation,
                caller,
                before: &before,
                state: &state,
            };
            let outcome = again.pieces(&pieces.unwrap_or_default()).await;
            let outcome = outcome.unwrap_or_else(|complaint| {
                Replayed::Failed(complaint.reason.told(visitor.language).to_owned())
            });
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

/// Bytes of a thought and of a text.
type Bytes = (usize, usize);

/// The pieces of an answer, each with the bytes before and up to its end; one of which nothing is known where that was not kept.
/// Nothing where they are not those of its text, as only a file from elsewhere says.
fn pieces(answer: &Answer) -> Option<Vec<(Option<Piece>, Bytes, Bytes)>> {
    let (thought, text) = (&answer.thought, &answer.text);
    let all = (thought.len(), text.len());
    let kept = &answer.origin.pieces;
    if kept.is_empty() {
        return Some(vec![(None, (0, 0), all)]);
    }
    let begins = |piece: &Piece| (piece.thought, piece.text);
    let ends = kept.iter().skip(1).map(begins).chain([all]);
    let mut found = Vec::new();
    for (piece, end) in kept.iter().zip(ends) {
        let begin = begins(piece);
        let is_sound = piece.turns > 0
            && thought.get(begin.0..end.0).is_some()
            && text.get(begin.1..end.1).is_some();
        if !is_sound {
            return None;
        }
        found.push((Some(*piece), begin, end));
    }
    (begins(&kept[0]) == (0, 0)).then_some(found)
}

/// An answer that is computed again.
struct Again<'a> {
    writer: &'a Writer,
    conversation: Id,
    caller: Caller,
    before: &'a Answer,
    state: &'a watch::Sender<Replay>,
}

impl Again<'_> {
    /// Computes the pieces one after the other, each behind what there was before it, until one is another.
    ///
    /// # Errors
    /// Those of [`Writer::asked_again`].
    async fn pieces(
        &self,
        pieces: &[(Option<Piece>, Bytes, Bytes)],
    ) -> Result<Replayed, Complaint> {
        let before = self.before;
        let mut outcome = Replayed::SameSoFar;
        for (at, (piece, begin, end)) in pieces.iter().enumerate() {
            let asked = self
                .writer
                .asked_again(self.conversation, before.id, *piece, self.caller);
            let begun = Computed {
                thought: before.thought[..begin.0].to_owned(),
                text: before.text[..begin.1].to_owned(),
                tokens: 0,
            };
            let is_last = at + 1 == pieces.len();
            let until = (!is_last).then_some(*end);
            let (now, finish) = match computed(asked.await?, begun, until, self.state).await {
                Ok(computed) => computed,
                Err(failed) => return Ok(failed),
            };
            let then = (&before.thought[..end.0], &before.text[..end.1]);
            outcome = match is_last {
                true => outcome_of(before, &now, finish, pieces.len()),
                false => so_far(then, &now, finish),
            };
            if !matches!(outcome, Replayed::SameSoFar) {
                break;
            }
        }
        Ok(outcome)
    }
}

/// Reads what is computed, behind what there was before, to its end, or until there is as much as `until` says.
///
/// # Errors
/// That it has no end.
async fn computed(
    mut asked: MeteredAnswer,
    begun: Computed,
    until: Option<Bytes>,
    state: &watch::Sender<Replay>,
) -> Result<(Computed, FinishReason), Replayed> {
    let mut now = begun;
    loop {
        match asked.next().await {
            Some(Event::Thought(piece)) => now.thought.push_str(&piece),
            Some(Event::Text(piece)) => now.text.push_str(&piece),
            Some(Event::Finished(completion)) => {
                now.tokens = completion.metrics.completion_tokens;
                return Ok((now, completion.finish_reason));
            }
            Some(Event::Failed(error)) => {
                return Err(Replayed::Failed(reason(&error).to_string()));
            }
            None => return Err(Replayed::Failed(reason(&Error::Stopped).to_string())),
            Some(_) => continue,
        }
        state.send_modify(|replay| replay.tokens += 1);
        if until.is_some_and(|(thought, text)| {
            now.text.len() >= text && (text > 0 || now.thought.len() >= thought)
        }) {
            return Ok((now, FinishReason::Length));
        }
    }
}

/// What was computed again, with what stood before it.
struct Computed {
    thought: String,
    text: String,
    tokens: usize,
}

impl Computed {
    fn said(&self) -> (&str, &str) {
        (&self.thought, &self.text)
    }
}

/// Whether the person, the program or a failure ended it.
fn is_cut_off(answer: &Answer) -> bool {
    matches!(
        answer.end.as_ref().map(|end| &end.reason),
        Some(
            EndReason::Stopped | EndReason::CutOff | EndReason::Interrupted | EndReason::Failed(_)
        )
    )
}

/// Whether a piece that was gone on with is the same as far as it goes.
fn so_far(then: (&str, &str), now: &Computed, finish: FinishReason) -> Replayed {
    if finish == FinishReason::Cancelled {
        return Replayed::Failed(reason(&Error::Ending).to_string());
    }
    match begins(now.said(), then) {
        true => Replayed::SameSoFar,
        false => parted(then, now.said()),
    }
}

fn parted(then: (&str, &str), now: (&str, &str)) -> Replayed {
    let parting = Parting::of(then.0, now.0).or_else(|| Parting::of(then.1, now.1));
    parting.map_or(Replayed::SameSoFar, Replayed::Differs)
}

/// Whether it is the same: the thought, the text, and how many tokens they are of, where that was kept and it is of one piece.
/// What was cut off is compared as far as it goes. Where it was not kept how many pieces there are, what is computed may be the
/// first of several.
fn outcome_of(before: &Answer, now: &Computed, finish: FinishReason, pieces: usize) -> Replayed {
    let then = (before.thought.as_str(), before.text.as_str());
    let (again, was_cut_off) = (now.said(), is_cut_off(before));
    if finish == FinishReason::Cancelled {
        return Replayed::Failed(reason(&Error::Ending).to_string());
    }
    if then == again && !was_cut_off {
        let end = before.end.as_ref();
        let tokens = end.and_then(|end| end.metrics.as_ref());
        let tokens = tokens.map(|metrics| metrics.output_tokens);
        return match tokens.filter(|tokens| *tokens > 0) {
            _ if pieces > 1 => Replayed::SameInPieces(pieces),
            Some(tokens) if tokens != now.tokens => Replayed::OtherTokens(tokens, now.tokens),
            _ => Replayed::Same(now.tokens),
        };
    }
    let is_known = !before.origin.pieces.is_empty();
    let goes_on = !is_known && finish == FinishReason::Length && begins(then, again);
    if goes_on || (was_cut_off && begins(again, then)) {
        return Replayed::SameSoFar;
    }
    parted(then, again)
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
