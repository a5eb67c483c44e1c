//! How much faster answers come that guess ahead, by kinds of prompts, on a quiet machine:
//! `cargo run --release -p nibble-engine --example speculation -- MODEL.gguf [auto|off|N] [ROUNDS] [TOKENS] [--draft DRAFT.gguf]`.
//!
//! With and without take turns; of each prompt the median of the rounds counts, and of a kind the mean of the times. Nothing is
//! kept of answers for the next ones, but where they are regenerated: there the same question was answered before in the same
//! conversation. Fails where an answer is not the same.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Instant;

use futures::StreamExt;
use futures::executor::block_on;
use nibble_engine::{
    Answer, Caller, Completion, ConversationKey, Engine, Event, LoadOptions, Message, Prompt,
    Request, Role, Sampling, Speculation,
};

type Failure = Box<dyn std::error::Error>;

/// Chats that are answered together.
const TOGETHER: usize = 8;

fn main() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = arguments.iter().position(|argument| argument == "--draft");
    let draft = option
        .map(|at| arguments.drain(at..).nth(1))
        .map(|named| named.ok_or("`--draft` names no model"));
    let draft = draft.transpose()?;
    let mut arguments = arguments.into_iter();
    let Some(model) = arguments.next() else {
        return Err(
            "usage: speculation MODEL [auto|off|N] [ROUNDS] [TOKENS] [--draft DRAFT]".into(),
        );
    };
    let guessing: Speculation = arguments
        .next()
        .map_or(Ok(Speculation::Auto), |it| it.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(3), |rounds| rounds.parse())?;
    let tokens: usize = arguments.next().map_or(Ok(250), |tokens| tokens.parse())?;
    let prompts: BTreeMap<String, Vec<String>> =
        serde_json::from_str(include_str!("../benches/speculation.json"))?;
    let engine = Engine::load(&LoadOptions {
        model: model.into(),
        draft: draft.map(Into::into),
        ..LoadOptions::default()
    })?;
    let info = engine.info();
    let mut out = io::stdout();
    writeln!(
        out,
        "{}, {}, {} threads\n\n| prompts | tokens/s without | with | gain | guesses that were right | of tokens |\n\
         |---|---|---|---|---|---|",
        info.name, info.kernel, info.threads
    )?;
    let greedy = Sampling::default();
    let sampled = Sampling {
        temperature: 1.0,
        seed: Some(1),
        ..greedy
    };
    let each = |prompts: &[String], sampling, name: &str, again| -> Result<(), Failure> {
        let mut row = Row::default();
        for prompts in prompts.chunks(1) {
            let asked = Asked {
                prompts,
                sampling,
                tokens,
                again,
            };
            row.add(&engine, asked, guessing, rounds)?;
        }
        row.print(name)?;
        Ok(())
    };
    for (kind, prompts) in &prompts {
        each(prompts, greedy, kind, false)?;
        if kind == "story" {
            each(prompts, sampled, "story, temperature 1", false)?;
            each(prompts, greedy, "story, regenerated", true)?;
        }
    }
    let all: Vec<String> = prompts.values().flatten().cloned().collect();
    each(&all, greedy, "regenerated", true)?;
    let kinds = prompts.values();
    let mixed = kinds.flat_map(|prompts| prompts.iter().take(2));
    let mixed: Vec<String> = mixed.take(TOGETHER).cloned().collect();
    let asked = Asked {
        prompts: &mixed,
        sampling: greedy,
        tokens,
        again: false,
    };
    let mut row = Row::default();
    row.add(&engine, asked, guessing, rounds)?;
    row.print(&format!("{TOGETHER} chats at once"))?;
    Ok(())
}

/// Prompts that are answered together.
#[derive(Clone, Copy)]
struct Asked<'a> {
    prompts: &'a [String],
    sampling: Sampling,
    /// The most of each answer.
    tokens: usize,
    /// Whether they were asked before in the same conversation.
    again: bool,
}

impl Asked<'_> {
    /// The conversation of a prompt.
    fn conversation(self, prompt: &str) -> ConversationKey {
        match self.again {
            true => ConversationKey::Name(prompt.to_owned()),
            false => ConversationKey::Unkept,
        }
    }
}

/// What was measured of one kind of prompts.
#[derive(Default)]
struct Row {
    /// Of each prompt the median of the seconds a token, without and with.
    times: Vec<[f64; 2]>,
    drafted: usize,
    accepted: usize,
    tokens: usize,
}

impl Row {
    /// Asks without guesses and with them in turn.
    fn add(
        &mut self,
        engine: &Engine,
        asked: Asked<'_>,
        guessing: Speculation,
        rounds: usize,
    ) -> Result<(), Failure> {
        // All find their prompts.
        ask(engine, Asked { tokens: 1, ..asked }, Speculation::Off)?;
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            let (without, slow) = ask(engine, asked, Speculation::Off)?;
            let (with, fast) = ask(engine, asked, guessing)?;
            times[0].push(1.0 / slow);
            times[1].push(1.0 / fast);
            for (without, with) in without.iter().zip(with) {
                if without.token_ids != with.token_ids {
                    return Err("an answer is another with guesses than without".into());
                }
                self.drafted += with.metrics.drafted_tokens;
                self.accepted += with.metrics.accepted_tokens;
                self.tokens += with.token_ids.len();
            }
        }
        self.times.push(times.map(median));
        Ok(())
    }

    fn print(&self, kind: &str) -> io::Result<()> {
        let mean = |which: usize| {
            let times = self.times.iter().map(|times| times[which]);
            times.sum::<f64>() / self.times.len() as f64
        };
        let (without, with) = (mean(0), mean(1));
        let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
        writeln!(
            io::stdout(),
            "| {kind} | {:.1} | {:.1} | {:.2} | {} of {}, {:.0} % | {:.0} % |",
            1.0 / without,
            1.0 / with,
            without / with,
            self.accepted,
            self.drafted,
            share(self.accepted, self.drafted),
            share(self.accepted, self.tokens),
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Answers, and how many tokens a second there were of all, from the first on.
fn ask(
    engine: &Engine,
    asked: Asked<'_>,
    speculation: Speculation,
) -> Result<(Vec<Completion>, f64), Failure> {
    let answers = asked.prompts.iter().zip(1..).map(|(prompt, caller)| {
        let question = Message {
            role: Role::User,
            content: prompt.clone(),
        };
        engine.submit(Request {
            prompt: Prompt::Chat(vec![question].into()),
            sampling: asked.sampling,
            max_tokens: asked.tokens,
            conversation: asked.conversation(prompt),
            caller: Caller(caller),
            speculation: Some(speculation),
            ..Request::default()
        })
    });
    let began = Instant::now();
    let answers = answers.collect::<Result<Vec<_>, _>>()?;
    let answers = answers
        .into_iter()
        .map(completion)
        .collect::<Result<Vec<_>, _>>()?;
    if let [answer] = &answers[..] {
        let speed = answer.metrics.decode_tokens_per_second;
        return Ok((answers.clone(), speed.unwrap_or(f64::NAN)));
    }
    let tokens: usize = answers.iter().map(|answer| answer.token_ids.len()).sum();
    Ok((answers, tokens as f64 / began.elapsed().as_secs_f64()))
}

fn completion(mut answer: Answer) -> Result<Completion, Failure> {
    while let Some(event) = block_on(answer.next()) {
        match event {
            Event::Finished(completion) => return Ok(completion),
            Event::Failed(error) => return Err(error.into()),
            _ => {}
        }
    }
    Err("an answer had no end".into())
}
