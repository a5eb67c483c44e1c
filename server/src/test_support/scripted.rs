//! A generator for tests: puts out a script instead of running a model.

use std::thread;
use std::time::Duration;

use nibble_engine::metrics::Metrics;
use nibble_engine::{
    Answer, Completion, Error, Event, FinishReason, ModelInfo, Request, Sampling, ToolCall,
};

use crate::generator::Generator;

/// Answers every request with the same pieces, one every `pause`, and the same calls.
pub(crate) struct Scripted {
    info: ModelInfo,
    pieces: Vec<String>,
    calls: Vec<ToolCall>,
    pause: Duration,
}

impl Scripted {
    pub(crate) fn new(pieces: &[&str], pause: Duration) -> Self {
        let info = ModelInfo {
            name: "Scripted 1B".into(),
            id: "scripted-1b".into(),
            parameters: 1_000_000_000,
            weight_bytes: 600_000_000,
            context: 2048,
            vocabulary: 32_000,
            quantization: "int4, groups of 32".into(),
            kernel: "scalar".into(),
            threads: 2,
            sampling: Sampling {
                temperature: 0.2,
                top_p: 0.9,
                ..Sampling::default()
            },
        };
        Self {
            info,
            pieces: pieces.iter().map(ToString::to_string).collect(),
            calls: Vec::new(),
            pause,
        }
    }

    pub(crate) fn calling(pieces: &[&str], calls: Vec<ToolCall>) -> Self {
        Self {
            calls,
            ..Self::new(pieces, Duration::ZERO)
        }
    }
}

impl Generator for Scripted {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn submit(&self, request: Request) -> Result<Answer, Error> {
        request.check()?;
        let (sender, answer) = Answer::channel();
        let (pieces, calls, pause) = (self.pieces.clone(), self.calls.clone(), self.pause);
        thread::spawn(move || {
            sender.send(Event::Prefill { done: 0, total: 10 });
            sender.send(Event::Prefill {
                done: 10,
                total: 10,
            });
            let mut reason = FinishReason::Stop;
            let mut tokens = Vec::new();
            for piece in pieces {
                thread::sleep(pause);
                if sender.is_abandoned() {
                    return;
                }
                if sender.is_stopped() {
                    reason = FinishReason::Cancelled;
                    break;
                }
                if tokens.len() == request.max_tokens {
                    reason = FinishReason::Length;
                    break;
                }
                tokens.push(u32::try_from(tokens.len()).expect("a script is short"));
                sender.send(Event::Text(piece));
            }
            for call in calls {
                sender.send(Event::Called(call));
            }
            let metrics = Metrics {
                time_to_first_token_s: Some(0.25),
                prefill_s: Some(0.2),
                prefill_tokens_per_second: Some(50.0),
                decode_tokens_per_second: Some(40.0),
                time_per_output_token_ms: Some(25.0),
                total_s: 1.25,
                usd_per_million_tokens: Some(request.usd_per_hour / 3600.0 / 40.0 * 1e6),
                usd_total: request.usd_per_hour / 3600.0 * 1.25,
                machine_s: 1.25,
                usd_share: request.usd_per_hour / 3600.0 * 1.25,
                completion_tokens: tokens.len(),
                kernel: "scalar".into(),
                threads: 2,
                ..Metrics::default()
            };
            sender.send(Event::Finished(Completion {
                finish_reason: reason,
                prompt_tokens: 10,
                cached_tokens: 0,
                token_ids: tokens,
                metrics,
            }));
        });
        Ok(answer)
    }
}
