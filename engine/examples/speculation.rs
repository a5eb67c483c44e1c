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
    Speculation,
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
    for (kind, prompts) in &prompts {
        let mut row = Row::default();
        for _ in 0..rounds {
            for prompt in prompts {
                let prompt = std::slice::from_ref(prompt);
                row.add(&engine, prompt, guessing, tokens)?;
            }
        }
        row.print(kind);
    }
    let mut row = Row::default();
    let mixed = (0..).map_while(|at| {
        let each: Vec<_> = prompts
            .values()
            .filter_map(|of_kind| of_kind.get(at))
            .collect();
        (!each.is_empty()).then_some(each)
    });
    let mixed: Vec<String> = mixed.flatten().take(TOGETHER).cloned().collect();
    for _ in 0..rounds {
        row.add(&engine, &mixed, guessing, tokens)?;
    }
    row.print(&format!("{TOGETHER} chats at once"));
    Ok(())
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
        prompts: &[String],
        guessing: Speculation,
        tokens: usize,
    ) -> Result<(), Failure> {
        // Both find their prompts.
        ask(engine, prompts, Speculation::Off, 1)?;
        let (without, slow) = ask(engine, prompts, Speculation::Off, tokens)?;
        let (with, fast) = ask(engine, prompts, guessing, tokens)?;
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
    prompts: &[String],
    speculation: Speculation,
    max_tokens: usize,
) -> Result<(Vec<Completion>, f64), Failure> {
    let answers = prompts.iter().zip(1..).map(|(prompt, caller)| {
        let question = Message {
            role: Role::User,
            content: prompt.clone(),
        };
        engine.submit(Request {
            prompt: Prompt::Chat(vec![question].into()),
            max_tokens,
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
