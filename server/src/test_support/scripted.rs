//! A generator for tests: puts out a script instead of running a model.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nibble_engine::metrics::Metrics;
use nibble_engine::{
    Answer, Completion, Conversation, DraftInfo, Error, Event, FinishReason, Foresight, Learned,
    Logprob, Logprobs, ModelInfo, ModelShape, Pace, Prompt, PromptLogprobs, Reading, Request,
    Sampling, StepPace, StepWork, Thinking, TokenPace, ToolCall,
};

use crate::generator::Generator;
use crate::models::{KeepAlive, Models, Offer};

/// Answers every request with the same thought and pieces, one every `pause`, and the same calls.
pub(crate) struct Scripted {
    info: ModelInfo,
    thought: Vec<String>,
    pieces: Vec<String>,
    calls: Vec<ToolCall>,
    pause: Duration,
}

impl Scripted {
    pub(crate) fn new(pieces: &[&str], pause: Duration) -> Self {
        let info = ModelInfo {
            name: "Scripted 1B".into(),
            id: "scripted-1b".into(),
            family: "llama".into(),
            parameters: 1_000_000_000,
            shape: ModelShape::default(),
            work: StepWork::default(),
            licence: "MIT".into(),
            weight_bytes: 600_000_000,
            context: 2048,
            vocabulary: 32_000,
            quantization: "int4, groups of 32".into(),
            kv: "f16".into(),
            kernel: "scalar".into(),
            threads: 2,
            decode_threads: 2,
            draft: None,
            fingerprint: String::new(),
            thinks: false,
            sampling: Sampling {
                temperature: 0.2,
                top_p: 0.9,
                ..Sampling::default()
            },
        };
        Self {
            info,
            thought: Vec::new(),
            pieces: pieces.iter().map(ToString::to_string).collect(),
            calls: Vec::new(),
            pause,
        }
    }

    /// The same under another name.
    pub(crate) fn named(mut self, name: &str) -> Self {
        (self.info.name, self.info.id) = (name.to_owned(), name.to_lowercase());
        self
    }

    /// The same with a draft model.
    pub(crate) fn drafted_by(mut self, name: &str) -> Self {
        self.info.draft = Some(DraftInfo {
            name: name.to_owned(),
            weight_bytes: 80_000_000,
        });
        self
    }

    /// What it thinks counts as tokens like any other piece.
    pub(crate) fn thinking(thought: &[&str], pieces: &[&str]) -> Self {
        Self {
            thought: thought.iter().map(ToString::to_string).collect(),
            ..Self::new(pieces, Duration::ZERO)
        }
    }

    pub(crate) fn calling(pieces: &[&str], calls: Vec<ToolCall>) -> Self {
        Self {
            calls,
            ..Self::new(pieces, Duration::ZERO)
        }
    }
}

/// A model that says its name.
pub(crate) fn offer(name: &str, file: Option<PathBuf>) -> Offer {
    let name = name.to_owned();
    let model = move || Scripted::new(&["I am ", &name], Duration::ZERO).named(&name);
    Offer {
        info: model().info().clone(),
        file,
        bytes: 100,
        kv_blocks: 0,
        keep: KeepAlive::For(Duration::from_secs(300)),
        load: Box::new(move || Ok(Arc::new(model()) as Arc<dyn Generator>)),
    }
}

/// Two such models, One and Two, the second of which is not in memory, and how often one was loaded.
pub(crate) fn two_models() -> (Arc<Models>, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let offers = ["One", "Two"].map(|name| {
        let loads = Arc::clone(&loads);
        let Offer { load, .. } = offer(name, None);
        Offer {
            keep: KeepAlive::Always,
            load: Box::new(move || {
                loads.fetch_add(1, Ordering::SeqCst);
                load()
            }),
            ..offer(name, None)
        }
    });
    let first = Scripted::new(&["I am ", "One"], Duration::ZERO).named("One");
    let models = Models::new(
        offers.into(),
        Box::new(|| None),
        None,
        Some(Arc::new(first)),
    );
    (models, loads)
}

/// A token that is the second likeliest, beside the likeliest.
fn likely(token: u32, text: &str, most: usize) -> Logprobs {
    let logprob = |token, text: &str, logprob, rank| Logprob {
        token,
        bytes: text.as_bytes().to_vec(),
        logprob,
        rank,
    };
    let chosen = logprob(token, text, -1.1, 2);
    let mut likeliest = vec![logprob(900, " or", -0.3, 1), chosen.clone()];
    likeliest.truncate(most);
    Logprobs { chosen, likeliest }
}

impl Generator for Scripted {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Of each prompt four of ten tokens are cached.
    fn foresee(&self, request: Request) -> Result<Foresight, Error> {
        request.check()?;
        Ok(Foresight {
            prompt_tokens: 10,
            cached_tokens: 4,
            pace: self.pace(),
        })
    }

    fn pace(&self) -> Pace {
        Pace {
            prompt: Some(StepPace {
                row_s: 0.02,
                ..StepPace::default()
            }),
            alone: Some(TokenPace {
                token_s: 0.025,
                ..TokenPace::default()
            }),
            token_beside_s: Some(0.03),
        }
    }

    fn submit(&self, request: Request) -> Result<Answer, Error> {
        request.check()?;
        let (sender, answer) = Answer::channel();
        let thought = self.thought.clone().into_iter().map(Event::Thought);
        let pieces = self.pieces.clone().into_iter().map(Event::Text);
        let (thought_tokens, calls, pause) = (thought.len(), self.calls.clone(), self.pause);
        thread::spawn(move || {
            sender.send(Event::Prefill { done: 0, total: 10 });
            sender.send(Event::Prefill {
                done: 10,
                total: 10,
            });
            let wanted = request.wanted;
            if let Some(most) = wanted.prompt_logprobs {
                sender.send(Event::Learned(Learned::Prompt(PromptLogprobs {
                    first: 1,
                    first_bytes: b"<s>".to_vec(),
                    rest: vec![likely(2, "Once", most)],
                })));
            }
            if wanted.embedding.is_some() {
                let states = vec![3.0, 4.0, 12.0];
                sender.send(Event::Learned(Learned::Embedding(states)));
            }
            let mut reason = FinishReason::Stop;
            let mut tokens = Vec::new();
            for event in thought.chain(pieces) {
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
                let token = u32::try_from(tokens.len()).expect("a script is short");
                tokens.push(token);
                if wanted.counts {
                    sender.send(Event::Learned(Learned::PutOut(tokens.len())));
                }
                if let (Some(most), Event::Text(piece)) = (wanted.logprobs, &event) {
                    let likely = likely(token, piece, most);
                    sender.send(Event::Learned(Learned::Token(likely)));
                }
                sender.send(event);
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
                thought_tokens: thought_tokens.min(tokens.len()),
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

    fn laid_out(&self, conversation: &Conversation, thinking: Thinking) -> Result<String, Error> {
        let turns = &conversation.turns;
        Ok(format!("{turns:?} {thinking:?}"))
    }

    /// Each byte is a token, behind a 1.
    fn prompt_tokens(&self, prompt: &Prompt, thinking: Thinking) -> Result<Vec<u32>, Error> {
        let text = match prompt {
            Prompt::Chat(conversation) => self.laid_out(conversation, thinking)?,
            Prompt::Raw(text) => text.clone(),
            Prompt::Tokens(tokens) => return Ok(tokens.clone()),
        };
        let reading = Reading {
            control_tokens: true,
            first_token: true,
        };
        self.text_tokens(&text, reading)
    }

    fn text_tokens(&self, text: &str, reading: Reading) -> Result<Vec<u32>, Error> {
        let first = reading.first_token.then_some(1);
        Ok(first
            .into_iter()
            .chain(text.bytes().map(u32::from))
            .collect())
    }

    fn first_and_last(&self) -> [Option<&str>; 2] {
        [Some("<s>"), Some("</s>")]
    }

    fn spelt(&self, tokens: &[u32]) -> Result<String, Error> {
        let bytes: Vec<u8> = tokens.iter().map(|&id| id as u8).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
