//! Embeddings, whoever's client asks: requests like any other, a few at a time, as each has a place in the queue. Who has begun
//! waits for places.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use nibble_engine::{Caller, Error, Pooling, Prompt, Request, Wanted};
use tokio::time::sleep;

use super::asker::Asker;
use super::body::Integer;
use super::reply::collected;
use crate::error::ApiError;
use crate::keys;
use crate::metered::{Metered, Read, Unread};
use crate::telemetry::Outcome;

/// The most texts of a request, which is OpenAI's.
pub(super) const MAX_INPUTS: usize = 2048;
/// Those that have places in the queue at a time, or fewer where it has fewer.
const AT_ONCE: usize = 16;
/// How soon it is looked again for a place.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What is to be embedded.
pub(super) struct Inputs {
    pub(super) prompts: Vec<Prompt>,
    pub(super) pooling: Pooling,
    /// What the model reads of each.
    pub(super) made: fn(Prompt, &Asker) -> Result<Prompt, ApiError>,
    /// Where there are to be so many only.
    pub(super) dimensions: Option<Integer>,
}

/// What inputs have come to.
pub(super) struct Embedded {
    /// Of length 1.
    pub(super) vectors: Vec<Vec<f32>>,
    /// Tokens of all inputs.
    pub(super) tokens: usize,
}

impl Inputs {
    /// The request for what one of them comes to.
    fn request(&self, input: Prompt, asker: &Asker, caller: Caller) -> Result<Request, ApiError> {
        Ok(Request {
            prompt: (self.made)(input, asker)?,
            max_tokens: 0,
            usd_per_hour: asker.usd_per_hour,
            caller,
            wanted: Wanted {
                embedding: Some(self.pooling),
                ..Wanted::default()
            },
            ..Request::default()
        })
    }

    /// The requests for all.
    #[cfg(any(test, fuzzing))]
    pub(super) fn requests(&self, asker: &Asker) -> Vec<Request> {
        let inputs = self.prompts.iter().cloned();
        let requests = inputs.map(|input| self.request(input, asker, Caller::default()));
        requests.filter_map(Result::ok).collect()
    }
}

/// The embeddings that are asked for, in order.
///
/// # Errors
/// Those of the engine, whose prompts are inputs here, status 429 when too many wait, and status 400 for more dimensions than
/// the model has.
pub(super) async fn embedded(
    model: &Metered,
    asker: Asker,
    caller: Caller,
    inputs: Inputs,
) -> Result<Embedded, ApiError> {
    let place = model.embeds(caller);
    let place = place.inspect_err(|error| model.count_refused(error))?;
    let key = keys::current();
    let held = key.map(|key| key.hold(foreseen(&inputs.prompts)));
    let mut held = held.transpose()?;
    let most = asker.generator.queue().min(AT_ONCE);
    let (asker, inputs) = (Arc::new(asker), Arc::new(inputs));
    let total = inputs.prompts.len();
    let (mut vectors, mut tokens, mut at_once) = (Vec::with_capacity(total), 0, most);
    while vectors.len() < total {
        let group = vectors.len()..total.min(vectors.len() + at_once);
        let part = held.as_mut().map(|held| {
            held.foresee(foreseen(&inputs.prompts[group.start..]));
            held.part(foreseen(&inputs.prompts[group.clone()]))
        });
        let (asker, of_group) = (Arc::clone(&asker), Arc::clone(&inputs));
        let read = move || {
            let prompts = of_group.prompts[group].iter().cloned();
            let requests = prompts.map(|prompt| of_group.request(prompt, &asker, caller));
            Ok::<_, Refused>(Read {
                requests: requests.collect::<Result<_, _>>().map_err(Refused)?,
                held: part,
                rest: (),
            })
        };
        let turn = place.turn().await;
        let submitted = model
            .submit_more(caller, read)
            .await
            .map_err(|Refused(error)| error)?;
        let Some(answers) = submitted else {
            // Rather some of them at once.
            if at_once == 1 {
                drop(turn);
                sleep(LOOK_AGAIN).await;
            }
            at_once = at_once.div_ceil(2);
            continue;
        };
        at_once = most;
        for answer in try_join_all(answers.into_iter().map(collected)).await? {
            tokens += answer.completion.prompt_tokens;
            // There is none where the end of the server cut it off.
            let states = answer.embedding.ok_or(Error::Ending)?;
            vectors.push(normalised(states, inputs.dimensions)?);
        }
    }
    Ok(Embedded { vectors, tokens })
}

/// How many tokens inputs may have: a token has some four bytes.
fn foreseen(inputs: &[Prompt]) -> u64 {
    let tokens = inputs.iter().map(|input| match input {
        Prompt::Tokens(tokens) => tokens.len(),
        Prompt::Raw(text) => 1 + text.len() / 4,
        Prompt::Chat(_) => 0,
    });
    tokens.sum::<usize>() as u64
}

/// The first dimensions, of length 1 together; nothing but zeros has none.
fn normalised(mut states: Vec<f32>, dimensions: Option<Integer>) -> Result<Vec<f32>, ApiError> {
    if let Some(Integer(found)) = dimensions {
        let most = states.len();
        let wanted = usize::try_from(found)
            .ok()
            .filter(|wanted| (1..=most).contains(wanted));
        states.truncate(wanted.ok_or_else(|| {
            let message = format!("`dimensions` must be from 1 to {most}, found {found}");
            ApiError::invalid_field("dimensions", message)
        })?);
    }
    let squares = states.iter().map(|value| f64::from(*value).powi(2));
    let length = squares.sum::<f64>().sqrt();
    if length > 0.0 {
        for value in &mut states {
            *value = (f64::from(*value) / length) as f32;
        }
    }
    Ok(states)
}

/// Why there is no embedding, in the words of who asks for some.
struct Refused(ApiError);

impl Unread for Refused {
    fn outcome(&self) -> Outcome {
        self.0.outcome()
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let field = "input";
        Self(ApiError::from(match error {
            Error::Request {
                field: "prompt",
                reason,
            } => Error::Request {
                field,
                reason: reason.replace("`prompt`", "`input`"),
            },
            Error::TooLong {
                field: "prompt",
                tokens,
                is_exact,
                context,
            } => Error::TooLong {
                field,
                tokens,
                is_exact,
                context,
            },
            other => other,
        }))
    }
}
