//! How much faster answers come that guess ahead, by kinds of prompts, on a quiet machine:
//! `cargo run --release -p nibble-engine --example speculation -- MODEL.gguf [auto|N] [ROUNDS] [TOKENS]`.
//!
//! With and without take turns; medians of the rounds count. Fails where an answer is not the same.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::StreamExt;
use futures::executor::block_on;
use nibble_engine::{
    Answer, Caller, Completion, Engine, Event, LoadOptions, Message, Prompt, Request, Role,
    Sampling, Speculation,
};

type Failure = Box<dyn std::error::Error>;

/// Chats that are answered together.
const TOGETHER: usize = 8;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let Some(model) = arguments.next() else {
        return Err("usage: speculation MODEL [auto|N] [ROUNDS] [TOKENS]".into());
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
        ..LoadOptions::default()
    })?;
    println!(
        "{}, {} threads\n",
        engine.info().name,
        engine.info().threads
    );
    println!("| prompts | tokens/s without | with | gain | guesses that were right | of tokens |");
    println!("|---|---|---|---|---|---|");
    let greedy = Sampling::default();
    let sampled = Sampling {
        temperature: 1.0,
        seed: Some(1),
        ..greedy
    };
    let each = |prompts: &[String], sampling, name: &str| -> Result<(), Failure> {
        let mut row = Row::default();
        for prompt in (0..rounds).flat_map(|_| prompts) {
            let prompts = std::slice::from_ref(prompt);
            row.add(
                &engine,
                Asked {
                    prompts,
                    sampling,
                    tokens,
                },
                guessing,
            )?;
        }
        row.print(name);
        Ok(())
    };
    for (kind, prompts) in &prompts {
        each(prompts, greedy, kind)?;
        if kind == "story" {
            each(prompts, sampled, "story, temperature 1")?;
        }
    }
    let kinds = prompts.values();
    let mixed: Vec<String> = kinds
        .flat_map(|prompts| &prompts[..2])
        .take(TOGETHER)
        .cloned()
        .collect();
    let mut row = Row::default();
    for _ in 0..rounds {
        let asked = Asked {
            prompts: &mixed,
            sampling: greedy,
            tokens,
        };
        row.add(&engine, asked, guessing)?;
    }
    row.print(&format!("{TOGETHER} chats at once"));
    Ok(())
}

/// Prompts that are answered together.
#[derive(Clone, Copy)]
struct Asked<'a> {
    prompts: &'a [String],
    sampling: Sampling,
    /// The most of each answer.
    tokens: usize,
}

/// What was measured of one kind of prompts.
#[derive(Default)]
struct Row {
    /// Tokens a second, without and with.
    speeds: [Vec<f64>; 2],
    drafted: usize,
    accepted: usize,
    tokens: usize,
}

impl Row {
    /// Asks together, once without guesses and once with them.
    fn add(
        &mut self,
        engine: &Engine,
        asked: Asked<'_>,
        guessing: Speculation,
    ) -> Result<(), Failure> {
        // Both find their prompts.
        ask(engine, Asked { tokens: 1, ..asked }, Speculation::Off)?;
        let (without, slow) = ask(engine, asked, Speculation::Off)?;
        let (with, fast) = ask(engine, asked, guessing)?;
        self.speeds[0].push(slow);
        self.speeds[1].push(fast);
        for (without, with) in without.iter().zip(with) {
            if without.token_ids != with.token_ids {
                return Err("an answer is another with guesses than without".into());
            }
            self.drafted += with.metrics.drafted_tokens;
            self.accepted += with.metrics.accepted_tokens;
            self.tokens += with.token_ids.len();
        }
        Ok(())
    }

    fn print(mut self, kind: &str) {
        let [without, with] = &mut self.speeds;
        let ratios: Vec<f64> = without
            .iter()
            .zip(&*with)
            .map(|(slow, fast)| fast / slow)
            .collect();
        let [without, with] = [without.clone(), with.clone()].map(median);
        let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
        println!(
            "| {kind} | {without:.1} | {with:.1} | {:.2} | {} of {}, {:.0} % | {:.0} % |",
            median(ratios),
            self.accepted,
            self.drafted,
            share(self.accepted, self.drafted),
            share(self.accepted, self.tokens),
        );
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
