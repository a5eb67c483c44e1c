//! What the last answers came to, step by step: how much was read and multiplied, and how fast.

use nibble_app::chat::{Done, WorkDone};
use nibble_app::domain::{Metrics, usual};
use nibble_engine::{ModelInfo, StepWork, Work};

use super::ChatService;
use super::asking::made_by;

/// The last answers that are looked at.
const LAST: usize = 99;
/// Prompts of fewer tokens say little of prefill, and answers of fewer little of decoding.
const LONG_PROMPT: usize = 64;
const LONG_ANSWER: usize = 17;
/// An answer that had fewer others beside it was alone.
const ALONE: f64 = 0.05;

impl ChatService {
    /// What the last answers of a model came to that were alone: prompts, and decoding without guesses.
    pub(super) async fn work_of_last(&self, model: &str) -> WorkDone {
        let model = self.writer.models.named_or_first(model);
        let info = model.info();
        work_done(&info.work, &self.last_of(info).await)
    }

    /// The median of the last answers of a model as it is loaded here, whoever asked, in tokens a second.
    pub(super) async fn decode_speed(&self, info: &ModelInfo) -> Option<f64> {
        let rates = usual(&self.last_of(info).await);
        rates.token_s.map(|seconds| 1.0 / seconds)
    }

    async fn last_of(&self, info: &ModelInfo) -> Vec<Metrics> {
        let last = self.writer.store.last_measured(&made_by(info), LAST).await;
        last.unwrap_or_else(|error| {
            tracing::error!("the last answers cannot be read: {error}");
            Vec::new()
        })
    }
}

fn work_done(work: &StepWork, answers: &[Metrics]) -> WorkDone {
    let is_alone = |answer: &&Metrics| {
        answer.beside < ALONE && answer.beside_engines == 0 && answer.paused_s <= 0.0
    };
    // No guesses are made beside prompts.
    let is_plain = |answer: &&Metrics| is_alone(answer) && answer.drafted_tokens == 0;
    let decodes = answers.iter().filter(is_plain).filter_map(|answer| {
        let speed = answer.decode_tokens_per_second?;
        let is_long = answer.output_tokens >= LONG_ANSWER;
        is_long.then(|| {
            (
                speed,
                work.decode(answer.prompt_tokens, answer.output_tokens),
            )
        })
    });
    let prefills = answers.iter().filter(is_alone).filter_map(|answer| {
        let speed = answer.prefill_tokens_per_second?;
        let computed = answer.prompt_tokens.saturating_sub(answer.cached_tokens);
        (computed >= LONG_PROMPT).then(|| {
            (
                speed,
                work.prefill(answer.prompt_tokens, answer.cached_tokens),
            )
        })
    });
    WorkDone {
        decode: done(decodes.collect()),
        prefill: done(prefills.collect()),
    }
}

/// Nothing where nothing is known of it.
fn done(all: Vec<(f64, Work)>) -> Option<Done> {
    let (mut speeds, mut sum) = (Vec::new(), Work::default());
    for (speed, work) in all {
        speeds.push(speed);
        sum.add(work);
    }
    speeds.sort_by(f64::total_cmp);
    let speed = speeds.get(speeds.len() / 2).copied()?;
    (sum.tokens > 0 && sum.weight_bytes > 0).then(|| Done {
        answers: speeds.len(),
        tokens: sum.tokens,
        weight_bytes: sum.weight_bytes,
        kv_bytes: sum.kv_bytes,
        multiplies: sum.weight_multiplies + sum.kv_multiplies,
        tokens_per_second: speed,
    })
}

#[cfg(test)]
mod tests {
    use nibble_engine::MatrixWork;

    use super::*;

    #[test]
    fn only_prompts_alone_and_decoding_without_guesses_count() {
        let work = StepWork {
            prefill_chunk: 128,
            layers: MatrixWork {
                weights: 1000,
                bytes: 600,
            },
            head: MatrixWork {
                weights: 100,
                bytes: 100,
            },
            attention: Vec::new(),
        };
        let plain = Metrics {
            decode_tokens_per_second: Some(50.0),
            prefill_tokens_per_second: Some(400.0),
            prompt_tokens: 300,
            output_tokens: 21,
            ..Metrics::default()
        };
        let beside = Metrics {
            beside: 1.0,
            decode_tokens_per_second: Some(10.0),
            ..plain.clone()
        };
        let beside_another = Metrics {
            beside_engines: 1,
            decode_tokens_per_second: Some(10.0),
            ..plain.clone()
        };
        let guessed = Metrics {
            drafted_tokens: 4,
            decode_tokens_per_second: Some(150.0),
            ..plain.clone()
        };
        let short = Metrics {
            prompt_tokens: 20,
            output_tokens: 16,
            ..plain.clone()
        };
        let found = work_done(
            &work,
            &[beside.clone(), beside_another, plain, guessed, short],
        );
        let decode = found.decode.unwrap();
        assert_eq!((decode.answers, decode.tokens), (1, 20));
        assert!((decode.tokens_per_second - 50.0).abs() < 1e-9);
        assert!((decode.bytes_per_token() - 700.0).abs() < 1e-9);
        let prefill = found.prefill.unwrap();
        assert_eq!((prefill.answers, prefill.tokens), (2, 600));
        // Three steps, and the head once.
        assert_eq!(prefill.weight_bytes, 2 * (3 * 600 + 100));
        assert_eq!(prefill.multiplies, 2 * (300 * 1000 + 100));
        assert_eq!(work_done(&work, &[beside]), WorkDone::default());
        assert_eq!(work_done(&StepWork::default(), &[]), WorkDone::default());
    }
}
