//! An answer has the same tokens alone, beside others, paused, behind what is kept of another, and with guesses.

use std::env;
use std::path::Path;

use futures::executor::block_on_stream;
use nibble_engine::bench::kernels;
use nibble_engine::{
    Completion, Engine, Event, KvPrecision, LoadOptions, LoadPlan, Prompt, Request, Rounding,
    Sampling, Speculation,
};

#[path = "support/default_model.rs"]
mod support;

const TEXTS: [&str; 4] = [
    "the dog",
    "a small model says",
    "the quick brown fox",
    "words",
];

/// Each nearly fills a block of 32 positions with the default vocabulary, so that a few tokens more take another one.
const SENTENCES: [&str; 4] = [
    "The miller's two sons went down to the river before the sun was up, and neither of them said a word about the boat that",
    "Nobody in the village had ever seen a winter as long as this one, and the oldest of them began to count the logs that",
    "A train that leaves at noon and a train that leaves an hour later will meet, if both of them keep to their time, where",
    "In the drawer of the kitchen table lay a pair of scissors, some string, a box of matches and a letter that",
];

/// More tokens than are read in a step.
fn long_text() -> String {
    [&SENTENCES[..], &SENTENCES[..2]].concat().join(". ")
}

fn request(text: &str, max_tokens: usize, speculation: Speculation) -> Request {
    Request {
        prompt: Prompt::Raw(text.into()),
        sampling: Sampling {
            temperature: 0.8,
            seed: Some(3),
            ..Sampling::default()
        },
        max_tokens,
        speculation: Some(speculation),
        ..Request::default()
    }
}

/// Each answer when all are asked at once.
fn asked(engine: &Engine, requests: &[Request]) -> Vec<Completion> {
    let submit = |request: &Request| engine.submit(request.clone()).expect("it is accepted");
    let answers: Vec<_> = requests.iter().map(submit).collect();
    let ends = answers.into_iter().map(|answer| {
        let mut events = block_on_stream(answer);
        let end = events.find_map(|event| match event {
            Event::Finished(end) => Some(end),
            Event::Failed(error) => panic!("{error}"),
            _ => None,
        });
        end.expect("an end")
    });
    ends.collect()
}

fn tokens(answers: &[Completion]) -> Vec<&[u32]> {
    answers.iter().map(|answer| &*answer.token_ids).collect()
}

/// What became of answers that were asked at once.
struct Company {
    /// For how many seconds they paused together.
    paused_s: f64,
    /// The most that ran beside one of them, on average.
    beside: f64,
}

/// Answers of so many tokens, more than fit the memory of the engine that computes them together.
fn check(options: &LoadOptions, texts: &[&str], max_tokens: usize) -> Company {
    let requests = |speculation| -> Vec<_> {
        let request = |text: &&str| request(text, max_tokens, speculation);
        texts.iter().map(request).collect()
    };
    let alone = requests(Speculation::Off).into_iter().map(|request| {
        let engine = Engine::load(options).expect("it loads");
        asked(&engine, &[request]).remove(0)
    });
    let alone: Vec<_> = alone.collect();
    let alone = tokens(&alone);
    // Room for one context.
    let plan = LoadPlan::of(options).expect("a model");
    let least = plan.kv_bytes(None, 0).expect("memory");
    let engine = Engine::load(&LoadOptions {
        kv_bytes: Some(least),
        ..options.clone()
    })
    .expect("it loads");
    let (mut paused_s, mut beside) = (0.0, 0.0_f64);
    for speculation in [Speculation::Off, Speculation::Fixed(7), Speculation::Auto] {
        let found = asked(&engine, &requests(speculation));
        assert_eq!(tokens(&found), alone, "{options:?}, {speculation:?}");
        let paused = found.iter().filter_map(|answer| answer.metrics.paused_s);
        paused_s += paused.sum::<f64>();
        let others = found.iter().map(|answer| answer.metrics.beside);
        beside = others.fold(beside, f64::max);
    }
    let last = texts.len() - 1;
    for _ in 0..2 {
        let again = request(texts[last], max_tokens, Speculation::Off);
        assert_eq!(tokens(&asked(&engine, &[again])), alone[last..]);
    }
    Company { paused_s, beside }
}

fn options(model: &Path, kv: KvPrecision) -> LoadOptions {
    LoadOptions {
        model: model.to_owned(),
        threads: Some(2),
        rounding: Rounding {
            kv: Some(kv),
            ..Rounding::default()
        },
        ..LoadOptions::default()
    }
}

#[test]
fn of_every_kernel_with_a_tiny_model() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny.gguf");
    let (mut count, mut paused_s) = (0, 0.0);
    for kernel in kernels().iter().filter(|kernel| kernel.supported) {
        for kv in [KvPrecision::F16, KvPrecision::Q8] {
            let kernel = Some(kernel.name.to_owned());
            let options = LoadOptions {
                kernel,
                ..options(&model, kv)
            };
            paused_s += check(&options, &TEXTS, 90).paused_s;
        }
        count += 1;
    }
    assert!(count >= 2, "`scalar` and this CPU's own");
    assert!(paused_s > 0.0, "nobody paused");
}

#[test]
fn of_the_default_model() {
    let is_emulated = env::var_os("NIBBLE_EMULATED").is_some();
    let long = long_text();
    let all = [&SENTENCES[..], &[&long]].concat();
    let (texts, max_tokens, context) = match is_emulated {
        // Three blocks: two answers begin, and one of them gets the third.
        true => (&SENTENCES[..2], 8, 96),
        // Eight: four answers begin, one of which ends early, and the others come to have three each. The fifth has a prompt of
        // several steps, beside those that are left of them.
        false => (&all[..], 48, 256),
    };
    let options = LoadOptions {
        context: Some(context),
        ..options(&support::default_model(), KvPrecision::F16)
    };
    let Company { paused_s, beside } = check(&options, texts, max_tokens);
    // Three at once have no room. Where a step takes so long that fewer run, each ends before another needs its blocks.
    assert!(paused_s > 0.0 || beside < 1.5, "nobody paused");
}
