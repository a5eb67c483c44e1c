//! Asks a model one question: `cargo run --release -p nibble-engine --example ask -- MODEL.gguf 'Why is the sky blue?'`.

use std::io::{self, Write};

use futures::StreamExt;
use futures::executor::block_on;
use nibble_engine::{Caller, Engine, Event, LoadOptions, Message, Prompt, Request, Role, Thinking};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(model), Some(question)) = (arguments.next(), arguments.next()) else {
        return Err("usage: ask MODEL QUESTION".into());
    };
    let engine = Engine::load(&LoadOptions {
        model: model.into(),
        ..LoadOptions::default()
    })?;
    let question = Message {
        role: Role::User,
        content: question,
    };
    let mut answer = engine.submit(Request {
        prompt: Prompt::Chat(vec![question].into()),
        sampling: engine.info().sampling,
        max_tokens: 250,
        thinking: Thinking::default(),
        constraint: None,
        stop: Vec::new(),
        usd_per_hour: 0.0,
        caller: Caller::default(),
        ..Request::default()
    })?;
    let mut out = io::stdout();
    while let Some(event) = block_on(answer.next()) {
        match event {
            Event::Text(text) => write!(out, "{text}")?,
            Event::Finished(completion) => {
                let speed = completion.metrics.decode_tokens_per_second;
                writeln!(out, "\n{:.1} tokens/s", speed.unwrap_or_default())?;
            }
            Event::Failed(error) => return Err(error.into()),
            Event::Queued { .. }
            | Event::Prefill { .. }
            | Event::Thought(_)
            | Event::Called(_)
            | Event::Learned(_) => {}
        }
        out.flush()?;
    }
    Ok(())
}
