//! What a message would come to, and what its answer may take: by the rates that the engine measures, or where it has none
//! yet those of the last answers, and by how long these were.

use std::time::Duration;

use async_trait::async_trait;
use nibble_app::chat::{Outlook, Outlooks};
use nibble_app::complaint::Complaint;
use nibble_app::domain::{Attachment, Content, Foreseen, Id, Lengths, Rates, usual};
use nibble_app::settings::{MessageForm, Settings};
use nibble_app::visitor::Visitor;
use nibble_engine::{Caller, Error, Foresight, Pace};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::ChatService;
use super::asking::made_by;
use super::complaints::{refusal, unstored};
use super::writing::Writer;
use crate::metered::Metered;
use crate::store::{Begun, StoreError};

/// Answers by whose rates and lengths the next one is foreseen.
const LAST: usize = 99;
/// How long an answer may be before there was any.
const LENGTHS: Lengths = Lengths {
    median: 100,
    half: None,
};

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

/// What is known of a model and its answers when one is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Of the engine.
    pace: Pace,
    /// Of the last answers, for what the engine has not measured yet.
    usual: Rates,
    lengths: Lengths,
    beside: usize,
    usd_per_hour: f64,
}

impl Known {
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
    /// What is known of the model that an answer is going to be asked of.
    pub(super) async fn known_of(&self, begun: &Begun) -> Known {
        let settings = &begun.turn.answer.origin.settings;
        let model = self.models.named_or_first(&settings.model);
        self.known(&model, settings).await
    }

    /// How fast the last answers of a model were, and how long: those alone that it made as it does now.
    pub(super) async fn usual(&self, model: &Metered) -> (Rates, Option<Lengths>) {
        let last = self.store.last_measured(&made_by(model.info()), LAST).await;
        usual(&last.unwrap_or_else(|error| {
            tracing::error!("the last answers cannot be read: {error}");
            Vec::new()
        }))
    }

    /// What is known of a model now, for an answer with these settings.
    async fn known(&self, model: &Metered, settings: &Settings) -> Known {
        let (usual, lengths) = self.usual(model).await;
        let pace = model.loaded().map(|model| model.pace());
        let load = model.load();
        let beside = load.running + load.waiting + load.paused;
        Known {
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
        let known = self.writer.known(&model, &settings).await;
        let caller = Caller(visitor.caller);
        let _turn = self.foreseeing.take().await?;
        let next = self.writer.next(conversation, content, settings, caller);
        let request = next.await?;
        let counted = model.prepared(move || engine.foresee(request)).await;
        let foresight = counted.map_err(|error| refusal(&error))?;
        let Foresight {
            prompt_tokens,
            cached_tokens,
            ..
        } = foresight.map_err(|error| refusal(&error))?;
        let prompt_tokens = prompt_tokens.saturating_add(more);
        Ok(Outlook {
            prompt_tokens,
            cached_tokens,
            context,
            beside: known.beside,
            is_out: false,
            foreseen: known.foreseen(prompt_tokens, cached_tokens),
        })
    }
}

#[cfg(test)]
mod tests {
    use nibble_engine::{StepPace, TokenPace};

    use super::*;

    #[test]
    fn what_the_engine_measures_comes_before_what_answers_took() {
        let usual = Rates {
            prompt_token_s: Some(0.01),
            token_s: Some(0.3),
        };
        let known = |pace, beside| Known {
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
