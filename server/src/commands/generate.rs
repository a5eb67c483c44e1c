//! `nibble generate`: one answer, streamed as text or printed whole as JSON.

use std::io::{self, Write};

use anyhow::{Context, bail};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use futures::executor::block_on_stream;
use nibble_engine::metrics::Metrics;
use nibble_engine::{Caller, Completion, Event, FinishReason, Message, Prompt, Request, Role};
use serde::Serialize;

use super::thought::Thought;
use super::{loading, metrics};
use crate::options::{AnswerArgs, ModelArgs, PriceArgs};

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// What to answer
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: String,
    /// Instructions that go before the prompt
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        conflicts_with = "raw"
    )]
    system: Option<String>,
    /// Continue the prompt as it is, without the model's chat template
    #[arg(long)]
    raw: bool,
    /// Text that ends the answer and is not printed; repeat for more
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, value_parser = NonEmptyStringValueParser::new())]
    stop: Vec<String>,
    /// Print one JSON object with thought, text, token ids and metrics when the answer is complete
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    answer: AnswerArgs,
    #[command(flatten)]
    price: PriceArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Output {
    #[serde(skip_serializing_if = "String::is_empty")]
    thought: String,
    text: String,
    prompt_tokens: usize,
    completion_tokens: usize,
    finish_reason: FinishReason,
    token_ids: Vec<u32>,
    metrics: Metrics,
}

pub(super) fn run(args: GenerateArgs) -> anyhow::Result<()> {
    let engine = loading::engine(&args.model)?;
    let json = args.json;
    let request = Request {
        sampling: args.answer.sampling(engine.info().sampling),
        max_tokens: args.answer.max_tokens,
        usd_per_hour: args.price.usd_per_hour,
        caller: Caller::default(),
        thinking: args.answer.thinking(),
        constraint: None,
        stop: args.stop,
        prompt: prompt(args.prompt, args.system, args.raw),
        ..Request::default()
    };
    let events = block_on_stream(engine.submit(request)?);
    let mut stdout = io::stdout();
    if json {
        let mut thought = Thought::hidden();
        let (text, completion) = follow(events, &mut thought, &mut io::sink())?;
        let output = Output {
            thought: thought.into_text(),
            text,
            prompt_tokens: completion.prompt_tokens,
            completion_tokens: completion.token_ids.len(),
            finish_reason: completion.finish_reason,
            token_ids: completion.token_ids,
            metrics: completion.metrics,
        };
        writeln!(stdout, "{}", serde_json::to_string_pretty(&output)?)?;
    } else {
        let (_, completion) = follow(events, &mut Thought::shown(), &mut stdout)?;
        writeln!(stdout)?;
        writeln!(io::stderr(), "{}", metrics::line(&completion))?;
    }
    Ok(())
}

fn prompt(text: String, system: Option<String>, raw: bool) -> Prompt {
    if raw {
        return Prompt::Raw(text);
    }
    let message = |role, content| Message { role, content };
    let system = system.map(|content| message(Role::System, content));
    let user = message(Role::User, text);
    let messages: Vec<_> = system.into_iter().chain([user]).collect();
    Prompt::Chat(messages.into())
}

/// Writes thought and text as they come and returns the text with the end of the answer.
fn follow(
    events: impl Iterator<Item = Event>,
    thought: &mut Thought,
    output: &mut dyn Write,
) -> anyhow::Result<(String, Completion)> {
    let mut text = String::new();
    for event in events {
        match event {
            Event::Queued { .. } | Event::Prefill { .. } | Event::Called(_) | Event::Learned(_) => {
            }
            Event::Thought(piece) => thought.push(&piece)?,
            Event::Text(piece) => {
                thought.end()?;
                output.write_all(piece.as_bytes())?;
                output.flush()?;
                text.push_str(&piece);
            }
            Event::Finished(completion) => {
                thought.end()?;
                return Ok((text, completion));
            }
            Event::Failed(error) => return Err(error).context("the answer failed"),
        }
    }
    bail!("the engine stopped in the middle of the answer")
}
