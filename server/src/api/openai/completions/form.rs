//! A completion on the wire, in one piece or as it comes.

use std::mem::take;
use std::ops::Range;

use axum::response::sse;
use axum::response::{IntoResponse, Json, Response};
use futures::Stream;
use nibble_engine::{Completion, Learned, PromptLogprobs};

use super::response::Reply;
use crate::api::openai::logprobs::{CompletionLogprobs, Place};
use crate::api::reply::{Answered, Form, Piece, data, server_sent};
use crate::error::ApiError;
use crate::figures::Usage;

/// A completion on the wire.
pub(in crate::api::openai) struct CompletionForm {
    reply: Reply,
    choices: Vec<Choice>,
    usage: Usage,
}

/// What there is of one answer in a stream.
struct Choice {
    /// What goes before the answer.
    echo: String,
    /// What waits until the echo is there, whose likelihood is told with the prompt's first answer.
    held: Option<Held>,
    place: Place,
    /// Of tokens whose text is to come.
    likely: Vec<nibble_engine::Logprobs>,
    prompt_tokens: usize,
    cached_tokens: usize,
    put_out: usize,
}

/// What came of an answer before its echo.
#[derive(Default)]
struct Held {
    text: String,
    end: Option<sse::Event>,
}

impl Choice {
    fn new(echo: String, waits: bool) -> Self {
        Self {
            echo,
            held: waits.then(Held::default),
            place: Place::default(),
            likely: Vec::new(),
            prompt_tokens: 0,
            cached_tokens: 0,
            put_out: 0,
        }
    }
}

impl CompletionForm {
    /// Of choices that begin with these echoes, which come first where they wait for nothing.
    pub(super) fn new(reply: Reply, echoes: impl Iterator<Item = String>, waits: bool) -> Self {
        Self {
            reply,
            choices: echoes.map(|echo| Choice::new(echo, waits)).collect(),
            usage: Usage::default(),
        }
    }
}

impl Form for CompletionForm {
    type Frame = sse::Event;

    fn whole(self, answers: Vec<Answered>) -> Result<Response, ApiError> {
        let echoes = self.choices.into_iter().map(|choice| choice.echo);
        Ok(Json(self.reply.whole(echoes.collect(), answers)?).into_response())
    }

    fn begin(&mut self) -> Vec<sse::Event> {
        // With the usage so far they come when the prompt's is known.
        if self.reply.shown.continuous {
            return Vec::new();
        }
        let choices = 0..self.choices.len();
        choices
            .filter_map(|choice| self.plain_echo(choice))
            .collect()
    }

    fn reads(&mut self, choice: usize, tokens: usize, cached: usize) -> Vec<sse::Event> {
        let siblings = self.siblings(choice);
        // Others than the first find in the cache what that computes.
        if choice == siblings.start || self.choices[choice].prompt_tokens == 0 {
            for of_choice in &mut self.choices[siblings.clone()] {
                of_choice.prompt_tokens = tokens;
                of_choice.cached_tokens = cached;
            }
        }
        siblings
            .filter_map(|choice| self.plain_echo(choice))
            .collect()
    }

    fn learned(&mut self, choice: usize, learned: Learned) -> Vec<sse::Event> {
        match learned {
            Learned::Token(likely) => self.choices[choice].likely.push(likely),
            Learned::PutOut(tokens) => self.choices[choice].put_out = tokens,
            Learned::Prompt(prompt) if self.reply.shown.echoes_logprobs() => {
                let siblings = self.siblings(choice);
                return siblings
                    .flat_map(|choice| self.echo(choice, &prompt))
                    .collect();
            }
            Learned::Prompt(_) | Learned::Embedding(_) => {}
        }
        Vec::new()
    }

    fn piece(&mut self, choice: usize, piece: Piece) -> Vec<sse::Event> {
        match piece {
            Piece::Thought(text) | Piece::Text(text) => {
                if let Some(held) = &mut self.choices[choice].held {
                    held.text.push_str(&text);
                    return Vec::new();
                }
                let mut parts: Vec<_> = self.plain_echo(choice).into_iter().collect();
                let logprobs = self.likely(choice, &text);
                parts.push(self.part(choice, text, logprobs));
                parts
            }
            // There is no tool without a conversation.
            Piece::Called(_) => Vec::new(),
        }
    }

    fn end(&mut self, choice: usize, completion: &Completion) -> Result<Vec<sse::Event>, ApiError> {
        let n = self.reply.shown.n;
        self.usage = self.usage.and(Usage::of_choice(completion, choice, n));
        let mut parts: Vec<_> = self.plain_echo(choice).into_iter().collect();
        let waits = self.choices[choice].held.is_some();
        // Tokens whose text waits are told with it.
        let logprobs = match waits {
            true => None,
            false => {
                self.choices[choice].place.end();
                self.told(choice)
            }
        };
        self.choices[choice].put_out = completion.token_ids.len();
        let usage = self.usage_so_far(choice);
        let end = data(&self.reply.end(choice, completion, logprobs, usage)?);
        match &mut self.choices[choice].held {
            Some(held) => held.end = Some(end),
            None => parts.push(end),
        }
        Ok(parts)
    }

    fn done(&mut self) -> Vec<sse::Event> {
        let usage = self.reply.usage(self.usage).map(|usage| data(&usage));
        let done = sse::Event::default().data("[DONE]");
        usage.into_iter().chain([done]).collect()
    }

    fn refused(error: &ApiError) -> sse::Event {
        data(&error.in_mid_stream())
    }

    fn streamed(frames: impl Stream<Item = sse::Event> + Send + 'static) -> Response {
        server_sent(frames)
    }
}

impl CompletionForm {
    /// The choices that have the prompt of one.
    fn siblings(&self, choice: usize) -> Range<usize> {
        let n = self.reply.shown.n;
        let first = choice - choice % n;
        first..first + n
    }

    /// A prompt that is yet to be told, and nothing beside it.
    fn plain_echo(&mut self, choice: usize) -> Option<sse::Event> {
        if self.reply.shown.echoes_logprobs() {
            return None;
        }
        let echo = take(&mut self.choices[choice].echo);
        (!echo.is_empty()).then(|| self.part(choice, echo, None))
    }

    /// A prompt with how likely its tokens are, and what waited for it.
    fn echo(&mut self, choice: usize, prompt: &PromptLogprobs) -> Vec<sse::Event> {
        let told = self.reply.shown.logprobs.unwrap_or_default();
        let of_choice = &mut self.choices[choice];
        let echo = take(&mut of_choice.echo);
        of_choice.place.extend(&echo);
        let mut logprobs = CompletionLogprobs::default();
        logprobs.echo(prompt, told, &mut of_choice.place);
        let Held { text, end } = of_choice.held.take().unwrap_or_default();
        let mut parts = vec![self.part(choice, echo, Some(logprobs))];
        let of_choice = &mut self.choices[choice];
        of_choice.place.extend(&text);
        if end.is_some() {
            of_choice.place.end();
        }
        let likely = self.told(choice);
        if !text.is_empty() || likely.is_some() {
            parts.push(self.part(choice, text, likely));
        }
        parts.extend(end);
        parts
    }

    /// What is known of the tokens that this text completes.
    fn likely(&mut self, choice: usize, text: &str) -> Option<CompletionLogprobs> {
        self.reply.shown.logprobs?;
        self.choices[choice].place.extend(text);
        self.told(choice)
    }

    /// What is known of the tokens that were not told yet.
    fn told(&mut self, choice: usize) -> Option<CompletionLogprobs> {
        let told = self.reply.shown.logprobs?;
        let of_choice = &mut self.choices[choice];
        let likely = take(&mut of_choice.likely);
        let mut logprobs = CompletionLogprobs::default();
        logprobs.add(&likely, told, &mut of_choice.place);
        (!likely.is_empty()).then_some(logprobs)
    }

    fn part(
        &self,
        choice: usize,
        text: String,
        logprobs: Option<CompletionLogprobs>,
    ) -> sse::Event {
        let usage = self.usage_so_far(choice);
        data(&self.reply.text(choice, text, logprobs, usage))
    }

    fn usage_so_far(&self, choice: usize) -> Usage {
        let of_choice = &self.choices[choice];
        let (prompt, cached) = (of_choice.prompt_tokens, of_choice.cached_tokens);
        Usage::so_far(prompt, cached, of_choice.put_out)
    }
}
