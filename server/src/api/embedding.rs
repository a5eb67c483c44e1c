//! Embeddings, whoever's client asks: requests like any other, a few at a time, as each has a place in the queue.

use futures::future::try_join_all;
use nibble_engine::{Caller, Error, Pooling, Prompt, Request, Wanted};

use super::asker::Asker;
use super::body::Integer;
use super::reply::collected;
use crate::error::ApiError;
use crate::metered::Metered;

/// The most texts of a request, which is OpenAI's.
pub(super) const MAX_INPUTS: usize = 2048;
/// Those that have places in the queue at a time, or fewer where it has fewer.
const AT_ONCE: usize = 16;

/// What inputs have come to.
pub(super) struct Embedded {
    /// Of length 1.
    pub(super) vectors: Vec<Vec<f32>>,
    /// Tokens of all inputs.
    pub(super) tokens: usize,
}

/// The request for what `input` comes to.
pub(super) fn request(input: Prompt, pooling: Pooling, asker: &Asker) -> Request {
    Request {
        prompt: input,
        max_tokens: 0,
        usd_per_hour: asker.usd_per_hour,
        wanted: Wanted {
            embedding: Some(pooling),
            ..Wanted::default()
        },
        ..Request::default()
    }
}

/// The embeddings that are asked for, in order, of so many dimensions where that is said.
///
/// # Errors
/// Those of the engine, whose prompts are inputs here, and status 400 for more dimensions than the model has.
pub(super) async fn embedded(
    model: &Metered,
    asker: &Asker,
    caller: Caller,
    mut requests: Vec<Request>,
    dimensions: Option<Integer>,
) -> Result<Embedded, ApiError> {
    let at_once = asker.generator.queue().min(AT_ONCE);
    let (mut vectors, mut tokens) = (Vec::with_capacity(requests.len()), 0);
    while !requests.is_empty() {
        let rest = requests.split_off(requests.len().min(at_once));
        let some = std::mem::replace(&mut requests, rest);
        let some = some
            .into_iter()
            .map(|request| Request { caller, ..request });
        let some: Vec<_> = some.collect();
        let submitted = model.submit_read(caller, move || Ok::<_, Error>((some, ())));
        let (answers, ()) = submitted.await.map_err(of_input)?;
        for answer in try_join_all(answers.into_iter().map(collected)).await? {
            tokens += answer.completion.prompt_tokens;
            // There is none where the end of the server cut it off.
            let states = answer.embedding.ok_or(Error::Ending)?;
            vectors.push(normalised(states, dimensions)?);
        }
    }
    Ok(Embedded { vectors, tokens })
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

/// An error of the engine in the words of who asks for embeddings.
fn of_input(error: Error) -> ApiError {
    let field = "input";
    ApiError::from(match error {
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
    })
}
