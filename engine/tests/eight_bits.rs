//! Answers with keys and values in eight bits: as sure as others of what is shared, paused and guessed.

use std::path::Path;

use futures::executor::block_on_stream;
use nibble_engine::{
    Engine, Event, KvPrecision, LoadOptions, LoadPlan, Prompt, Quantize, Request, Rounding,
    Sampling, Speculation,
};

fn options(rounding: Rounding) -> LoadOptions {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny.gguf");
    LoadOptions {
        model,
        threads: Some(2),
        rounding,
        ..LoadOptions::default()
    }
}

fn eight_bits() -> LoadOptions {
    options(Rounding {
        kv: Some(KvPrecision::Q8),
        ..Rounding::default()
    })
}

fn request(text: &str, speculation: Speculation) -> Request {
    Request {
        prompt: Prompt::Raw(text.into()),
        sampling: Sampling {
            temperature: 0.8,
            seed: Some(3),
            ..Sampling::default()
        },
        max_tokens: 90,
        speculation: Some(speculation),
        ..Request::default()
    }
}

/// The tokens of each answer when all are asked at once, and how many of their prompts' tokens were cached.
fn asked(engine: &Engine, requests: &[Request]) -> Vec<(Vec<u32>, usize)> {
    let submit = |request: &Request| engine.submit(request.clone()).expect("it is accepted");
    let answers: Vec<_> = requests.iter().map(submit).collect();
    let ends = answers.into_iter().map(|answer| {
        let mut events = block_on_stream(answer);
        let end = events.find_map(|event| match event {
            Event::Finished(end) => Some(end),
            Event::Failed(error) => panic!("{error}"),
            _ => None,
        });
        let end = end.expect("an end");
        (end.token_ids, end.cached_tokens)
    });
    ends.collect()
}

#[test]
fn answers_are_the_same_alone_together_paused_behind_a_prefix_and_with_guesses() {
    let texts = [
        "the dog",
        "a small model says",
        "the quick brown fox",
        "words",
    ];
    let requests = |speculation| texts.map(|text| request(text, speculation));
    let alone: Vec<_> = requests(Speculation::Off)
        .iter()
        .map(|request| {
            let engine = Engine::load(&eight_bits()).unwrap();
            asked(&engine, std::slice::from_ref(request)).remove(0).0
        })
        .collect();
    // Room for one context: four answers of a third of it have to pause.
    let least = LoadPlan::of(&eight_bits())
        .unwrap()
        .kv_bytes(None, 0)
        .unwrap();
    let engine = Engine::load(&LoadOptions {
        kv_bytes: Some(least),
        ..eight_bits()
    })
    .unwrap();
    assert_eq!(engine.info().kv, "q8");
    for speculation in [Speculation::Off, Speculation::Fixed(7), Speculation::Auto] {
        let found = asked(&engine, &requests(speculation));
        let tokens: Vec<_> = found.into_iter().map(|(tokens, _)| tokens).collect();
        assert_eq!(tokens, alone, "{speculation:?}");
    }
    let again = asked(&engine, &[request(texts[3], Speculation::Off)]).remove(0);
    assert_eq!(again.0, alone[3]);
    let twice = asked(&engine, &[request(texts[3], Speculation::Off)]).remove(0);
    assert_eq!((twice.0, twice.1 > 0), (again.0, true));
}

#[test]
fn a_budget_holds_more_blocks_in_eight_bits() {
    let plan = |options: &LoadOptions| LoadPlan::of(options).unwrap();
    let (halves, eight) = (plan(&options(Rounding::default())), plan(&eight_bits()));
    assert_eq!((&*halves.info.kv, &*eight.info.kv), ("f16", "q8"));
    assert!(eight.kv_blocks(1 << 20) * 10 > halves.kv_blocks(1 << 20) * 15);
    let floats = options(Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    });
    assert_eq!(plan(&floats).info.kv, "f32");
}

#[test]
fn rounding_keys_and_values_beside_floats_is_refused_by_name() {
    for kv in [KvPrecision::Q8, KvPrecision::F16] {
        let options = options(Rounding {
            quantize: Quantize::None,
            kv: Some(kv),
            ..Rounding::default()
        });
        for error in [
            Engine::load(&options).map(drop),
            LoadPlan::of(&options).map(drop),
        ] {
            let error = error.unwrap_err().to_string();
            let said = format!("`kv` {kv}");
            assert!(
                error.contains(&said) && error.contains("`quantize` none"),
                "{error}"
            );
        }
    }
}
