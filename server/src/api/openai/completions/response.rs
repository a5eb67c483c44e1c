//! What a completion looks like on the wire, whole and in chunks.

use nibble_engine::{Completion, PromptLogprobs};
use serde::Serialize;

use crate::api::openai::ending::{finish_reason, unix_time};
use crate::api::openai::logprobs::{self, CompletionLogprobs, Pairs, Place, PromptToken, Told};
use crate::api::reply::{Answered, ByKind};
use crate::error::ApiError;
use crate::figures::{Figures, Usage};

/// What all parts of one reply have in common.
pub(super) struct Reply {
    id: String,
    created: u64,
    model: String,
    pub(super) shown: Shown,
}

/// What is told beside the text.
pub(super) struct Shown {
    /// Whether a stream ends with its usage, and each part has it.
    pub(super) include_usage: bool,
    pub(super) continuous: bool,
    pub(super) echo: bool,
    /// How many of the likeliest tokens beside each, in OpenAI's form and in vLLM's of the prompt.
    pub(super) logprobs: Option<Told>,
    pub(super) prompt_logprobs: Option<usize>,
    /// Answers to each prompt.
    pub(super) n: usize,
}

impl Shown {
    /// Whether it is told how likely the prompt is that is repeated.
    pub(super) fn echoes_logprobs(&self) -> bool {
        self.echo && self.logprobs.is_some()
    }
}

/// The whole reply, or an event of a streamed one.
#[derive(Serialize)]
pub(super) struct Part<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice>,
    /// Absent from a stream unless the client asked for it; then null in every chunk but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Serialize)]
struct Choice {
    index: usize,
    text: String,
    /// Clients read null as "none were asked for".
    logprobs: Option<CompletionLogprobs>,
    finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_logprobs: Option<Vec<Option<Pairs<u32, PromptToken>>>>,
    /// Each answer has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    nibble: Option<Figures>,
}

impl Reply {
    pub(super) fn new(model: &str, shown: Shown) -> Self {
        Self {
            id: format!("cmpl-{:032x}", rand::random::<u128>()),
            created: unix_time(),
            model: model.to_owned(),
            shown,
        }
    }

    /// # Errors
    /// A cancelled answer is none.
    pub(super) fn whole(
        &self,
        echoes: Vec<String>,
        mut answers: Vec<Answered>,
    ) -> Result<Part<'_>, ApiError> {
        let completions = answers.iter().map(|answer| &answer.completion);
        let usage = Usage::of_choices(completions, self.shown.n);
        let prompts = answers.iter_mut().step_by(self.shown.n);
        let prompts: Vec<_> = prompts.map(|answer| answer.prompt.take()).collect();
        let choices = echoes.into_iter().zip(answers).enumerate();
        let choices = choices.map(|(index, (echo, answer))| {
            let prompt = prompts[index / self.shown.n].as_ref();
            self.choice(index, echo, answer, prompt)
        });
        let mut part = self.part(choices.collect::<Result<_, _>>()?);
        part.usage = Some(Some(usage));
        Ok(part)
    }

    fn choice(
        &self,
        index: usize,
        echo: String,
        answer: Answered,
        prompt: Option<&PromptLogprobs>,
    ) -> Result<Choice, ApiError> {
        let ByKind { thought, text, .. } = ByKind::of(answer.pieces);
        let said = thought + &text;
        let logprobs = self.shown.logprobs.map(|told| {
            let (mut logprobs, mut place) = (CompletionLogprobs::default(), Place::default());
            place.extend(&echo);
            if let Some(prompt) = prompt.filter(|_| self.shown.echo) {
                logprobs.echo(prompt, told, &mut place);
            }
            place.extend(&said);
            place.end();
            logprobs.add(&answer.logprobs, told, &mut place);
            logprobs
        });
        let text = echo + &said;
        let prompt = prompt.zip(self.shown.prompt_logprobs);
        let mut choice = ended(index, text, &answer.completion)?;
        choice.logprobs = logprobs;
        choice.prompt_logprobs = prompt.map(|(prompt, most)| logprobs::prompt(prompt, most));
        Ok(choice)
    }

    /// A part of a stream, at which the usage is `usage`.
    pub(super) fn text(
        &self,
        index: usize,
        text: String,
        logprobs: Option<CompletionLogprobs>,
        usage: Usage,
    ) -> Part<'_> {
        let part = self.part(vec![Choice {
            index,
            text,
            logprobs,
            finish_reason: None,
            prompt_logprobs: None,
            nibble: None,
        }]);
        self.with_usage(part, usage)
    }

    /// # Errors
    /// As [`Self::whole`].
    pub(super) fn end(
        &self,
        index: usize,
        completion: &Completion,
        logprobs: Option<CompletionLogprobs>,
        usage: Usage,
    ) -> Result<Part<'_>, ApiError> {
        let mut choice = ended(index, String::new(), completion)?;
        choice.logprobs = logprobs;
        Ok(self.with_usage(self.part(vec![choice]), usage))
    }

    /// The chunk after the last, without choices, where it was asked for.
    pub(super) fn usage(&self, usage: Usage) -> Option<Part<'_>> {
        let mut part = self.part(Vec::new());
        part.usage = Some(Some(usage));
        self.shown.include_usage.then_some(part)
    }

    fn with_usage<'a>(&self, mut part: Part<'a>, usage: Usage) -> Part<'a> {
        if self.shown.continuous {
            part.usage = Some(Some(usage));
        }
        part
    }

    fn part(&self, choices: Vec<Choice>) -> Part<'_> {
        Part {
            id: &self.id,
            object: "text_completion",
            created: self.created,
            model: &self.model,
            choices,
            usage: self.shown.include_usage.then_some(None),
        }
    }
}

fn ended(index: usize, text: String, completion: &Completion) -> Result<Choice, ApiError> {
    Ok(Choice {
        index,
        text,
        logprobs: None,
        finish_reason: Some(finish_reason(completion, false)?),
        prompt_logprobs: None,
        nibble: Some(Figures::of(completion.clone())),
    })
}
