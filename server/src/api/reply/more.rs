//! Answers to a request that asks for more than have places in the queue at a time: some are asked for when others have ended.

use std::mem::replace;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{self, BoxFuture, try_join_all};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use nibble_engine::{Error, Event, Prompt, Request};
use tokio::time::sleep;

use super::by_itself;
use super::collected::{Answered, collected};
use crate::api::asker::Asker;
use crate::api::choices;
use crate::error::ApiError;
use crate::keys::Held;
use crate::metered::{Metered, MeteredAnswer, Read};
use crate::on_behalf::on_behalf;

/// How soon it is looked again for a place.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What is to be asked when there is room for it: the same of each prompt.
pub(in crate::api) struct More {
    pub(in crate::api) one: Request,
    pub(in crate::api) prompts: Vec<Prompt>,
    /// Answers to each.
    pub(in crate::api) n: usize,
}

/// All answers to a request, by their choices.
pub(super) struct Answers {
    /// Those that have been asked for.
    pub(super) begun: Vec<MeteredAnswer>,
    pub(super) later: Option<Later>,
}

/// The others.
pub(super) struct Later {
    /// By prompts.
    asked: Vec<Asking>,
    /// Answers to each.
    n: usize,
}

/// Answers to a prompt, asked for when that is polled.
type Asking = BoxFuture<'static, Result<Vec<MeteredAnswer>, Error>>;

/// What comes of a choice; nothing where its engine is gone.
pub(super) type ChoiceEvent = (usize, Option<Event>);

impl More {
    /// How many answers there are with so many others.
    pub(super) fn count(&self, others: usize) -> usize {
        others + self.prompts.len() * self.n
    }

    /// The most tokens that are put out.
    pub(super) fn most_tokens(&self) -> usize {
        let answers = self.prompts.len().saturating_mul(self.n);
        answers.saturating_mul(self.one.max_tokens)
    }
}

impl Answers {
    pub(super) fn none() -> Self {
        Self {
            begun: Vec::new(),
            later: None,
        }
    }

    pub(super) fn count(&self) -> usize {
        let begun = self.begun.len();
        let later = self.later.as_ref();
        later.map_or(begun, |later| begun + later.asked.len() * later.n)
    }

    /// The events of all, as they come.
    pub(super) fn events(self) -> BoxStream<'static, ChoiceEvent> {
        if self.later.is_none() {
            return events(0..self.begun.len(), self.begun);
        }
        let (asked, at_once) = self.asked();
        let asked = asked.into_iter().map(|(choices, asking)| {
            let events = asking.map(move |answers| match answers {
                Ok(answers) => events(choices, answers),
                // All of the request fails with it.
                Err(error) => {
                    let failed = (choices.start, Some(Event::Failed(error)));
                    stream::iter([failed]).boxed()
                }
            });
            stream::once(events).flatten().boxed()
        });
        stream::iter(asked).flatten_unordered(at_once).boxed()
    }

    /// What comes of all.
    ///
    /// # Errors
    /// Why one of them is not complete.
    pub(super) fn collected(self) -> BoxFuture<'static, Result<Vec<Answered>, ApiError>> {
        let (asked, at_once) = self.asked();
        let asked = asked.into_iter();
        let asked = asked.map(|(choices, asking)| all(choices.start, asking).boxed());
        let answered = stream::iter(asked).buffer_unordered(at_once);
        let answered = answered.try_collect::<Vec<_>>().map_ok(|mut answered| {
            answered.sort_by_key(|(first, _)| *first);
            let answers = answered.into_iter().flat_map(|(_, answers)| answers);
            answers.collect()
        });
        answered.boxed()
    }

    /// The answers by prompts, and of how many at a time.
    fn asked(self) -> (Vec<(Range<usize>, Asking)>, usize) {
        let Some(Later { asked: later, n }) = self.later else {
            let choices = 0..self.begun.len();
            return (vec![(choices, future::ready(Ok(self.begun)).boxed())], 1);
        };
        let mut begun = self.begun;
        let at_once = begun.len().div_ceil(n).max(1);
        let mut asked = Vec::new();
        while !begun.is_empty() {
            let behind = begun.split_off(begun.len().min(n));
            let answers = replace(&mut begun, behind);
            asked.push(future::ready(Ok(answers)).boxed());
        }
        asked.extend(later);
        let choices = (0..).step_by(n).map(|first| first..first + n);
        (choices.zip(asked).collect(), at_once)
    }
}

impl Later {
    /// On behalf of the request that this task answers now. `asker` keeps the model in memory, and `held` is what is kept of
    /// a key's limit for all.
    pub(super) fn new(
        more: More,
        model: &Metered,
        asker: &Arc<Asker>,
        mut held: Option<Held>,
    ) -> Self {
        let More { one, prompts, n } = more;
        let one = Arc::new(one);
        let kept = held.as_ref().map_or(0, Held::kept);
        let each = kept / prompts.len().max(1) as u64;
        let asked = prompts.into_iter().map(|prompt| {
            let (one, model, asker) = (Arc::clone(&one), model.clone(), Arc::clone(asker));
            let held = held.as_mut().map(|held| held.part(each));
            let work = on_behalf(async move {
                let _asker = asker;
                ask(&model, &one, prompt, n, held).await
            });
            // It begins when it is polled.
            async move { by_itself(work).await }.boxed()
        });
        Self {
            asked: asked.collect(),
            n,
        }
    }
}

/// What comes of the answers from this choice on.
async fn all(first: usize, asking: Asking) -> Result<(usize, Vec<Answered>), ApiError> {
    let answers = asking.await?.into_iter().map(collected);
    Ok((first, try_join_all(answers).await?))
}

/// Answers to one prompt, as soon as there are places for them.
async fn ask(
    model: &Metered,
    one: &Request,
    prompt: Prompt,
    n: usize,
    mut held: Option<Held>,
) -> Result<Vec<MeteredAnswer>, Error> {
    let kept = held.as_ref().map_or(0, Held::kept);
    loop {
        let request = Request {
            prompt: prompt.clone(),
            ..one.clone()
        };
        let part = held.as_mut().map(|held| {
            held.foresee(kept);
            held.part(kept)
        });
        let read = move || {
            Ok::<_, Error>(Read {
                requests: choices::each([request], n),
                held: part,
                rest: (),
            })
        };
        if let Some(answers) = model.submit_more(one.caller, read).await? {
            return Ok(answers);
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn events(choices: Range<usize>, answers: Vec<MeteredAnswer>) -> BoxStream<'static, ChoiceEvent> {
    let events = choices.zip(answers).map(|(choice, answer)| {
        // An answer whose engine is gone just yields nothing more; the `None` makes that visible.
        let events = answer.map(Some).chain(stream::iter([None]));
        events.map(move |event| (choice, event)).boxed()
    });
    stream::select_all(events).boxed()
}
