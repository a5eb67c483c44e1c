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
                let tokens = completion.token_ids.len();
                let now = (thought.as_str(), text.as_str());
                return outcome(before, now, tokens, completion.finish_reason);
            }
            Some(Event::Failed(error)) => return Replayed::Failed(reason(&error).to_string()),
            None => return Replayed::Failed(reason(&Error::Stopped).to_string()),
            Some(_) => continue,
        }
        state.send_modify(|replay| replay.tokens += 1);
    }
}

/// Whether it is the same. What was cut off is compared as far as it goes, and so is what went on from there, of which a
/// single answer is the beginning.
fn outcome(
    before: &Answer,
    (thought, text): (&str, &str),
    tokens: usize,
    finish: FinishReason,
) -> Replayed {
    let then = format!("{}{}", before.thought, before.text);
    let now = format!("{thought}{text}");
    let end = before.end.as_ref().map(|end| &end.reason);
    let was_cut_off = matches!(
        end,
        Some(
            EndReason::Stopped | EndReason::CutOff | EndReason::Interrupted | EndReason::Failed(_)
        )
    );
    if finish == FinishReason::Cancelled {
        return Replayed::Failed(reason(&Error::Ending).to_string());
    }
    if then == now && !was_cut_off {
        return Replayed::Same(tokens);
    }
    let goes_on = finish == FinishReason::Length && then.starts_with(&now);
    if goes_on || (was_cut_off && now.starts_with(&then)) {
        return Replayed::SameSoFar;
    }
    Parting::of(&then, &now).map_or(Replayed::SameSoFar, Replayed::Differs)
}

#[cfg(test)]
mod tests {
    use nibble_app::domain::{End, Origin};

    use super::*;

    fn answer(text: &str, reason: EndReason) -> Answer {
        Answer {
            id: Id(1),
            thought: String::new(),
            text: text.to_owned(),
            end: Some(End {
                reason,
                metrics: None,
            }),
            siblings: Vec::new(),
            is_told_alone: false,
            origin: Origin::default(),
        }
    }

    #[test]
    fn the_same_text_is_the_same_and_what_was_cut_off_is_so_far() {
        let of = |before: &str, reason, now: &str, finish| {
            outcome(&answer(before, reason), ("", now), 3, finish)
        };
        let (complete, stopped) = (|| EndReason::Complete, || EndReason::Stopped);
        let stop = FinishReason::Stop;
        assert_eq!(of("a b", complete(), "a b", stop), Replayed::Same(3));
        assert_eq!(of("a", stopped(), "a b", stop), Replayed::SameSoFar);
        let length = FinishReason::Length;
        assert_eq!(of("a b c", complete(), "a b", length), Replayed::SameSoFar);
        let parted = of("a b", complete(), "a c", stop);
        assert!(matches!(parted, Replayed::Differs(parting) if parting.characters == 2));
        let shorter = of("a b", complete(), "a", stop);
        assert!(matches!(shorter, Replayed::Differs(_)));
        let cut = of("a b", complete(), "a", FinishReason::Cancelled);
        assert!(matches!(cut, Replayed::Failed(_)));
    }

    #[test]
    fn an_owner_has_one_at_a_time_and_what_came_of_it_is_its_owners() {
        let replays = Replays::default();
        let blank = || Replay {
            changed: Vec::new(),
            tokens: 0,
            outcome: None,
        };
        let (me, other) = (Owner([1; 16]), Owner([2; 16]));
        let sender = replays.enter(me, Id(1), blank()).unwrap();
        assert!(replays.enter(me, Id(2), blank()).is_none());
        assert!(replays.enter(other, Id(3), blank()).is_some());
        sender.send_modify(|replay| replay.outcome = Some(Replayed::Same(1)));
        assert!(replays.enter(me, Id(2), blank()).is_some());
        assert!(replays.state(me, Id(1)).is_some());
        assert!(replays.state(other, Id(1)).is_none());
    }

    #[test]
    fn those_that_are_computed_are_not_forgotten_for_others() {
        let replays = Replays::default();
        let blank = || Replay {
            changed: Vec::new(),
            tokens: 0,
            outcome: None,
        };
        let enter = |number: u8| {
            let (owner, answer) = (Owner([number; 16]), Id(number.into()));
            replays.enter(owner, answer, blank())
        };
        let most = u8::try_from(REMEMBERED).unwrap();
        let senders: Vec<_> = (0..most).map(|number| enter(number).unwrap()).collect();
        assert!(enter(most).is_none());
        senders[3].send_modify(|replay| replay.outcome = Some(Replayed::Same(1)));
        let _sender = enter(most).unwrap();
        assert!(replays.state(Owner([3; 16]), Id(3)).is_none());
        assert!(replays.state(Owner([0; 16]), Id(0)).is_some());
    }
}
