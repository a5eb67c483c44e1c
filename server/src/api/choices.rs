//! Several answers to one question, which the engine reads once.

use nibble_engine::{Request, Sampling, Siblings};

use super::body::Integer;
use crate::error::ApiError;

/// The most answers to one question.
const MAX_N: usize = 8;
/// The most answers to one request.
pub(super) const MAX_ANSWERS: usize = 1024;
/// Those that have places in the queue at a time, unless it has fewer.
pub(super) const AT_ONCE: usize = 16;

/// How many answers `n` and `best_of` ask for.
///
/// # Errors
/// Status 400 that names the field.
pub(super) fn count(n: Option<Integer>, best_of: Option<Integer>) -> Result<usize, ApiError> {
    let Integer(found) = n.unwrap_or(Integer(1));
    let n = usize::try_from(found)
        .ok()
        .filter(|n| (1..=MAX_N).contains(n));
    let n = n.ok_or_else(|| {
        ApiError::invalid_field("n", format!("`n` must be from 1 to {MAX_N}, found {found}"))
    })?;
    match best_of {
        Some(Integer(best_of)) if best_of != n as i128 => Err(ApiError::invalid_field(
            "best_of",
            format!("`best_of` must be `n`, {n}, found {best_of}: all answers are given"),
        )),
        _ => Ok(n),
    }
}

/// Each request `n` times, with seeds that count up from its own. The first of them says what there is to say of the prompt.
pub(super) fn each(requests: impl IntoIterator<Item = Request>, n: usize) -> Vec<Request> {
    let requests = requests.into_iter();
    if n == 1 {
        return requests.collect();
    }
    let siblings = requests.flat_map(|request| {
        let siblings = Siblings::default();
        (0..n).map(move |index| {
            let mut sibling = request.clone();
            let seed = sibling.sampling.seed;
            sibling.sampling = Sampling {
                seed: seed.map(|seed| seed.wrapping_add(index as u64)),
                ..sibling.sampling
            };
            sibling.siblings = Some(siblings.clone());
            if index > 0 {
                sibling.wanted.prompt_logprobs = None;
            }
            sibling
        })
    });
    siblings.collect()
}
