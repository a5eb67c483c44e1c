//! What a message would come to, and what its answer may take: by the rates that the engine measures, or where it has none
//! yet those of the last answers, and by how long these were.

use std::time::Duration;

use async_trait::async_trait;
use nibble_app::chat::{Outlook, Outlooks};
use nibble_app::complaint::Complaint;
use nibble_app::domain::{Attachment, Content, Foreseen, Id, Rates, usual};
use nibble_app::settings::{MessageForm, Settings};
use nibble_app::visitor::Visitor;
use nibble_engine::{Caller, Error, Foresight, Pace};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::ChatService;
use super::complaints::{refusal, unstored};
use super::writing::Writer;
use crate::metered::Metered;
use crate::store::{Begun, StoreError};

/// Answers by whose rates and lengths the next one is foreseen.
const LAST: usize = 99;
/// How long an answer may be before there was any, in tokens.
const LENGTH: usize = 100;

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
    rates: Rates,
    length: usize,
    beside: usize,
    usd_per_hour: f64,
}

impl Known {
    /// What an answer may take whose prompt has so many tokens, some of them cached.
    pub(super) fn foreseen(&self, prompt: usize, cached: usize) -> Option<Foreseen> {
        let computed = prompt.saturating_sub(cached).max(1);
        Foreseen::of(self.rates, computed, self.length, self.usd_per_hour)
    }
}

impl Writer {
    /// What is known of the model that an answer is going to be asked of.
    pub(super) async fn known_of(&self, begun: &Begun) -> Known {
        let settings = &begun.turn.answer.origin.settings;
        let model = self.models.named_or_first(&settings.model);
        self.known(&model, settings).await
    }

    /// What is known of a model now, for an answer with these settings.
    async fn known(&self, model: &Metered, settings: &Settings) -> Known {
        let last = self.store.last_measured(&model.info().name, LAST).await;
        let last = last.unwrap_or_else(|error| {
            tracing::error!("the last answers cannot be read: {error}");
            Vec::new()
        });
        let (usual, length) = usual(&last);
        let pace = model.loaded().map(|model| model.pace());
        let load = model.load();
        let beside = load.running + load.waiting + load.paused;
        Known {
            rates: rates(pace.unwrap_or_default(), usual, beside),
            length: length.unwrap_or(LENGTH).min(settings.max_tokens).max(1),
            beside,
            usd_per_hour: settings.usd_per_hour,
        }
    }
}

/// Those of the engine where it has some.
fn rates(pace: Pace, usual: Rates, beside: usize) -> Rates {
    let token_s = match beside {
        0 => pace.token_alone_s.or(pace.token_beside_s),
        _ => pace.token_beside_s,
    };
    Rates {
        prompt_token_s: pace.prompt_token_s.or(usual.prompt_token_s),
        token_s: token_s.or(usual.token_s),
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
        let settings = Settings::from_form(form)?;
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
    use super::*;

    #[test]
    fn what_the_engine_measures_comes_before_what_answers_took() {
        let pace = Pace {
            prompt_token_s: None,
            token_alone_s: Some(0.1),
            token_beside_s: Some(0.2),
        };
        let usual = Rates {
            prompt_token_s: Some(0.01),
            token_s: Some(0.3),
        };
        let of = |beside| {
            let rates = rates(pace, usual, beside);
            (rates.prompt_token_s, rates.token_s)
        };
        assert_eq!(of(0), (Some(0.01), Some(0.1)));
        assert_eq!(of(2), (Some(0.01), Some(0.2)));
        let usual = rates(Pace::default(), usual, 0);
        assert_eq!(usual.token_s, Some(0.3));
    }
}
