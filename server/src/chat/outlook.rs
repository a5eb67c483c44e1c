//! What a message would come to, and what its answer may take: by the rates that the engine measures, or where it has none
//! yet those of the last answers, and by how long these were.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use nibble_app::chat::{Outlook, Outlooks};
use nibble_app::complaint::Complaint;
use nibble_app::domain::{Attachment, Content, Foreseen, Id, Lengths, Rates, usual};
use nibble_app::settings::{MessageForm, Settings};
use nibble_app::visitor::{Owner, Visitor};
use nibble_engine::{Caller, Error, Foresight, Pace};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::ChatService;
use super::asking::made_by;
use super::complaints::{refusal, unstored};
use super::writing::Writer;
use crate::metered::Metered;
use crate::store::{Ask, Begun, StoreError};

/// Answers by whose rates and lengths the next one is foreseen.
const LAST: usize = 99;
/// How long an answer may be before there was any.
const LENGTHS: Lengths = Lengths {
    median: 100,
    half: None,
};

/// So many estimates are remembered until their messages are sent.
const REMEMBERED: usize = 1024;

/// Messages that are foreseen at once, each with its branch in memory, and how long one waits for its turn.
const AT_ONCE: usize = 2;
const PATIENCE: Duration = Duration::from_secs(1);

/// The turns of messages that are foreseen.
pub(super) struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Turns {
    /// # Errors
    /// That others take too long.
    async fn take(&self) -> Result<SemaphorePermit<'_>, Complaint> {
        let busy = || {
            refusal(&Error::Busy {
                waiting: AT_ONCE,
                limit: AT_ONCE,
                wait: None,
            })
        };
        let turn = timeout(PATIENCE, self.0.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or_else(busy)
    }
}

/// The last estimates that were told, oldest first: one for each conversation in which something is typed.
#[derive(Default)]
pub(super) struct Estimates(Mutex<VecDeque<Estimate>>);

struct Estimate {
    owner: Owner,
    /// Nothing for a chat that is not begun.
    conversation: Option<Id>,
    /// Of the message's text.
    hash: u64,
    foreseen: Foreseen,
}

impl Estimates {
    fn tell(&self, owner: Owner, conversation: Option<Id>, text: &str, foreseen: Foreseen) {
        let mut told = self.lock();
        told.retain(|told| told.owner != owner || told.conversation != conversation);
        if told.len() >= REMEMBERED {
            told.pop_front();
        }
        told.push_back(Estimate {
            owner,
            conversation,
            hash: hash(text),
            foreseen,
        });
    }

    /// What was told of a message that is sent now, with the text that it had then.
    pub(super) fn take(&self, owner: Owner, ask: &Ask) -> Option<Foreseen> {
        let (conversation, text) = match ask {
            Ask::First(content) => (None, &content.text),
            Ask::Next(id, content) => (Some(*id), &content.text),
            Ask::Instead(..) | Ask::Again(_) => return None,
        };
        let mut told = self.lock();
        let at = told.iter().position(|told| {
            (told.owner, told.conversation, told.hash) == (owner, conversation, hash(text))
        });
        Some(told.remove(at?)?.foreseen)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Estimate>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What is known of a model and its answers when one is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// What was told before it was sent.
    pub(super) told: Option<Foreseen>,
    /// Of the engine.
    pace: Pace,
    /// Of the last answers, for what the engine has not measured yet.
    usual: Rates,
    lengths: Lengths,
    beside: usize,
    usd_per_hour: f64,
}

impl Known {
    /// What was expected of an answer: what was told before it was sent, else what is foreseen when its prompt is read.
    pub(super) fn expected(&self, prompt: usize, cached: usize) -> Option<Foreseen> {
        self.told.or_else(|| self.foreseen(prompt, cached))
    }

    /// What an answer may take whose prompt has so many tokens, some of them cached.
    pub(super) fn foreseen(&self, prompt: usize, cached: usize) -> Option<Foreseen> {
        let computed = prompt.saturating_sub(cached).max(1);
        let read = self.pace.prompt_s(cached, computed);
        let first_s = read.or_else(|| self.usual.first_s(computed))?;
        // In the middle of the answer.
        let position = prompt + self.lengths.median / 2;
        let token_s = self.pace.token_s(position, self.beside == 0);
        let token_s = token_s.or(self.usual.token_s)?;
        let (lengths, price) = (self.lengths, self.usd_per_hour);
        Some(Foreseen::of(first_s, token_s, lengths, price))
    }
}

impl Writer {
    /// What is known of the model that an answer is going to be asked of, and what its owner was told of it.
    pub(super) async fn known_of(
        &self,
        owner: Owner,
        begun: &Begun,
        told: Option<Foreseen>,
    ) -> Known {
        let settings = &begun.turn.answer.origin.settings;
        let model = self.models.named_or_first(&settings.model);
        let known = self.known(owner, &model, settings).await;
        Known { told, ..known }
    }

    /// How fast the last answers of a model were, whoever asked, and how long those of this owner: those alone that it made as
    /// it does now. How long others' are is theirs to know.
    async fn usual(&self, owner: Owner, model: &Metered) -> (Rates, Option<Lengths>) {
        let as_now = made_by(model.info());
        let last = self.store.last_measured(&as_now, LAST).await;
        let lengths = self.store.last_lengths(owner, &as_now, LAST).await;
        let unread = |error| tracing::error!("the last answers cannot be read: {error}");
        let rates = last.map_err(unread).map(|last| usual(&last));
        let lengths = lengths.map_err(unread).map(Lengths::of);
        (rates.unwrap_or_default(), lengths.unwrap_or_default())
    }

    /// What is known of a model now, for an answer of this owner with these settings.
    async fn known(&self, owner: Owner, model: &Metered, settings: &Settings) -> Known {
        let (usual, lengths) = self.usual(owner, model).await;
        let pace = model.loaded().map(|model| model.pace());
        // Engines share the machine, whichever model answers.
        let load = model.load_of_all();
        let beside = load.running + load.waiting + load.paused;
        Known {
            told: None,
            pace: pace.unwrap_or_default(),
            usual,
            lengths: lengths.unwrap_or(LENGTHS).at_most(settings.max_tokens),
            beside,
            usd_per_hour: settings.usd_per_hour,
        }
    }
}

#[async_trait]
impl Outlooks for ChatService {
    async fn outlook(
        &self,
        visitor: Visitor,
        form: &MessageForm,
        attachments: Vec<Attachment>,
        more: usize,
    ) -> Result<Outlook, Complaint> {
        let kept = self.settings_of(visitor, &form.conversation);
        let settings = self.settings_from(visitor, form, kept).await?;
        let text = form.question(!attachments.is_empty() || more > 0)?;
        let asked = text.clone();
        let content = Content { text, attachments };
        let conversation = match form.conversation.as_str() {
            "" => None,
            id => {
                let id: Id = id.parse().map_err(|_| unstored(StoreError::Gone))?;
                let found = self.readable(visitor, id).await.map_err(unstored)?;
                let own = found.filter(|(_, own)| *own);
                Some(own.ok_or_else(|| unstored(StoreError::Gone))?.0)
            }
        };
        let model = self.writer.models.named_or_first(&settings.model);
        let context = model.info().context;
        let Some(engine) = model.loaded() else {
            return Ok(Outlook {
                context,
                is_out: true,
                ..Outlook::default()
            });
        };
        let id = conversation.as_ref().map(|conversation| conversation.id);
        let _turn = self.foreseeing.take().await?;
        let known = self.writer.known(visitor.owner, &model, &settings).await;
        let caller = Caller(visitor.caller);
        let next = self.writer.next(conversation, content, settings, caller);
        let request = next.await?;
        let counted = model
            .prepared(caller, move || engine.foresee(request))
            .await;
        let foresight = counted.map_err(|error| refusal(&error))?;
        let Foresight {
            prompt_tokens,
            cached_tokens,
            ..
        } = foresight.map_err(|error| refusal(&error))?;
        let prompt_tokens = prompt_tokens.saturating_add(more);
        let foreseen = known.foreseen(prompt_tokens, cached_tokens);
        if let Some(foreseen) = foreseen {
            self.estimates.tell(visitor.owner, id, &asked, foreseen);
        }
        Ok(Outlook {
            prompt_tokens,
            cached_tokens,
            context,
            beside: known.beside,
            is_out: false,
            foreseen,
        })
    }
}

#[cfg(test)]
mod tests {
    use nibble_engine::{StepPace, TokenPace};

    use super::*;

    #[test]
    fn an_estimate_is_that_of_the_message_that_was_told_it() {
        let estimates = Estimates::default();
        let foreseen = |first_s| Foreseen {
            first_s,
            ..Foreseen::default()
        };
        let (me, other) = (Owner([1; 16]), Owner([2; 16]));
        let first = |text: &str| Ask::First(text.into());
        estimates.tell(me, None, "wh", foreseen(1.0));
        estimates.tell(me, None, "why?", foreseen(2.0));
        estimates.tell(me, Some(Id(1)), "and?", foreseen(3.0));
        assert_eq!(estimates.take(me, &first("wh")), None);
        assert_eq!(estimates.take(other, &first("why?")), None);
        assert_eq!(estimates.take(me, &Ask::Next(Id(2), "and?".into())), None);
        assert_eq!(estimates.take(me, &first("why?")), Some(foreseen(2.0)));
        assert_eq!(estimates.take(me, &first("why?")), None);
        let next = Ask::Next(Id(1), "and?".into());
        assert_eq!(estimates.take(me, &next), Some(foreseen(3.0)));
        for at in 0..REMEMBERED + 9 {
            estimates.tell(me, Some(Id(at as u128)), "", foreseen(4.0));
        }
        assert_eq!(estimates.lock().len(), REMEMBERED);
    }

    #[test]
    fn what_the_engine_measures_comes_before_what_answers_took() {
        let usual = Rates {
            prompt_token_s: Some(0.01),
            token_s: Some(0.3),
        };
        let known = |pace, beside| Known {
            told: None,
            pace,
            usual,
            lengths: LENGTHS.at_most(11),
            beside,
            usd_per_hour: 1.0,
        };
        let told = |pace, beside| {
            let foreseen = known(pace, beside).foreseen(150, 50).unwrap();
            (foreseen.first_s, foreseen.total_s)
        };
        assert_eq!(told(Pace::default(), 0), (1.0, 4.0));
        let mut pace = Pace {
            token_beside_s: Some(0.2),
            ..Pace::default()
        };
        assert_eq!(told(pace, 2), (1.0, 3.0));
        pace.alone = Some(TokenPace {
            token_s: 0.1,
            ..TokenPace::default()
        });
        assert_eq!((told(pace, 0), told(pace, 2)), ((1.0, 2.0), (1.0, 3.0)));
        pace.prompt = Some(StepPace {
            step_s: 1.0,
            row_s: 0.01,
            ..StepPace::default()
        });
        assert_eq!(told(pace, 0), (2.0, 3.0));
    }
}
