//! What may be typed and what is refused.

use nibble_engine::{KvPrecision, Quantize, Rounding, Sampling};

use super::*;

fn parse(words: &[&str]) -> Result<Command, clap::Error> {
    Cli::try_parse_from([&["nibble"], words].concat()).map(Cli::into_command)
}

fn refusal(words: &[&str]) -> String {
    let error = parse(words).expect_err("must be refused");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    use clap::CommandFactory;
    Cli::command().debug_assert();
}

#[test]
fn no_command_means_serve() {
    for words in [
        &[
            "--addr",
            "0.0.0.0:8080",
            "--allowed-host",
            "a.example,b.example",
        ][..],
        &[
            "serve",
            "--addr",
            "0.0.0.0:8080",
            "--allowed-host",
            "a.example",
            "--allowed-host",
            "b.example",
        ][..],
    ] {
        let Ok(Command::Serve(serve)) = parse(words) else {
            panic!("{words:?} must serve");
        };
        assert_eq!(serve.addr.addr.port(), 8080);
        assert_eq!(serve.allowed_hosts, ["a.example", "b.example"]);
    }
}

#[test]
fn a_value_out_of_range_is_refused_with_option_range_and_value() {
    for (words, option, value, range) in [
        (
            &["generate", "--prompt", "x", "--temperature", "3"][..],
            "--temperature",
            "'3'",
            "from 0 to 2",
        ),
        (
            &["chat", "--top-p", "NaN"][..],
            "--top-p",
            "'NaN'",
            "from 0.001 to 1",
        ),
        (
            &["--threads", "0"][..],
            "--threads",
            "'0'",
            "from 1 to 1024",
        ),
        (
            &["--speculate", "17"][..],
            "--speculate",
            "'17'",
            "from 0 to 16",
        ),
        (
            &["--grace", "4000"][..],
            "--grace",
            "'4000'",
            "from 0 to 3600",
        ),
        (
            &["--usd-per-hour=-1"][..],
            "--usd-per-hour",
            "'-1'",
            "from 0 to 1000000",
        ),
    ] {
        let message = refusal(words);
        for part in [option, value, range] {
            assert!(message.contains(part), "`{part}` is not in {message}");
        }
    }
}

#[test]
fn quantisation_is_named_and_an_unknown_one_is_refused() {
    let quantize = |words: &[&str]| match parse(&[&["chat"], words].concat()) {
        Ok(Command::Chat(chat)) => chat.model.load.rounding.rounding().quantize,
        other => panic!("{other:?}"),
    };
    assert_eq!(quantize(&[]), Quantize::default());
    for (name, expected) in Quantize::NAMES {
        assert_eq!(quantize(&["--quantize", name]), expected);
        assert_eq!(expected.to_string(), name);
    }
    let message = refusal(&["pack", "m.gguf", "--quantize", "g16"]);
    for part in ["--quantize", "g16", "g32-min", "channel"] {
        assert!(message.contains(part), "`{part}` is not in {message}");
    }
}

#[test]
fn keys_and_values_are_kept_where_it_is_said_and_nowhere_else() {
    let folder = |words: &[&str]| match parse(&[&["serve"], words].concat()) {
        Ok(Command::Serve(serve)) => serve.prefixes.folder(),
        other => panic!("{other:?}"),
    };
    assert_eq!(folder(&[]), None);
    assert_eq!(folder(&["--prefix-cache", ""]), None);
    let kept = folder(&["--prefix-cache", "a"]).unwrap();
    assert_eq!((kept.path, kept.bytes), ("a".into(), 1_024_000_000));
    let sized = ["--prefix-cache", "a", "--prefix-cache-size", "2"];
    assert_eq!(folder(&sized).unwrap().bytes, 2_000_000);
    refusal(&["serve", "--prefix-cache", "a", "--prefix-cache-size", "0"]);
}

#[test]
fn figures_of_tokens_are_for_who_reads_json() {
    let words = ["perplexity", "--file", "t", "--each"];
    assert!(parse(&[&words[..], &["--json"]].concat()).is_ok());
    let message = refusal(&words);
    assert!(message.contains("--json"), "{message}");
}

#[test]
fn keys_and_values_have_sixteen_bits_or_eight() {
    let kv = |words: &[&str]| match parse(&[&["chat"], words].concat()) {
        Ok(Command::Chat(chat)) => chat.model.load.kv.with(Rounding::default()).kv,
        other => panic!("{other:?}"),
    };
    assert_eq!(kv(&[]), None);
    assert_eq!(kv(&["--kv", "f16"]), Some(KvPrecision::F16));
    assert_eq!(kv(&["--kv", "q8"]), Some(KvPrecision::Q8));
    for command in [
        &["serve"][..],
        &["generate", "--prompt", "x"],
        &["bench"],
        &["perplexity", "--file", "t"],
    ] {
        assert!(
            parse(&[command, &["--kv", "q8"]].concat()).is_ok(),
            "{command:?}"
        );
        let message = refusal(&[command, &["--kv", "q4"]].concat());
        for part in ["--kv", "q4", "f16"] {
            assert!(message.contains(part), "`{part}` is not in {message}");
        }
    }
    // A packed file holds weights alone.
    refusal(&["pack", "m.gguf", "--kv", "q8"]);
}

#[test]
fn embedding_and_head_have_eight_bits_or_four() {
    let bits = |words: &[&str]| match parse(&[&["chat"], words].concat()) {
        Ok(Command::Chat(chat)) => {
            let rounding = chat.model.load.rounding.rounding();
            (rounding.int4_embedding, rounding.int4_head)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(bits(&[]), (false, false));
    assert_eq!(bits(&["--embedding-bits", "4"]), (true, false));
    assert_eq!(
        bits(&["--head-bits", "4", "--embedding-bits", "8"]),
        (false, true)
    );
    let compared = [
        "compare-quantization",
        "--file",
        "t",
        "--embedding-bits",
        "4",
    ];
    let Ok(Command::CompareQuantization(compared)) = parse(&compared) else {
        panic!("{compared:?} must compare");
    };
    assert!(compared.vocabulary.int4_embedding() && !compared.vocabulary.int4_head());
    for option in ["--head-bits", "--embedding-bits"] {
        let message = refusal(&["pack", "m.gguf", option, "5"]);
        assert!(
            message.contains(option) && message.contains("'5'"),
            "{message}"
        );
    }
}

#[test]
fn a_text_may_begin_with_a_dash() {
    for words in [
        &["generate", "--prompt", "- buy milk"][..],
        &["generate", "--prompt", "--stop", "--stop", "---"],
        &["generate", "--prompt", "x", "--stop", "-1", "--stop", "--"],
        &["generate", "--prompt", "x", "--system", "- be brief"],
        &["generate", "--raw", "--prompt", "-"],
        &["chat", "--system", "--- be brief"],
        &["tokenize", "--text", "-1"],
        &["tokenize", "--text", "--text"],
    ] {
        parse(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
    refusal(&["generate", "--prompt", "x", "-y"]);
}

#[test]
fn wrong_use_is_refused() {
    refusal(&["generate"]);
    refusal(&["generate", "--prompt", "x", "--raw", "--system", "y"]);
    refusal(&["--addr", "localhost"]);
    refusal(&["dance"]);
}

#[test]
fn what_is_not_typed_is_the_models_own() {
    let advised = Sampling {
        temperature: 0.2,
        top_k: 7,
        top_p: 0.9,
        min_p: 0.1,
        seed: None,
    };
    let sampling = |words: &[&str]| match parse(&[&["chat"], words].concat()) {
        Ok(Command::Chat(chat)) => chat.answer.sampling(advised),
        other => panic!("{other:?}"),
    };
    assert_eq!(sampling(&[]), advised);
    let typed = sampling(&["--temperature", "0.5", "--seed", "3"]);
    assert_eq!(typed.temperature, 0.5);
    assert_eq!(typed.seed, Some(3));
    assert_eq!(typed.top_k, 7);
}

#[test]
fn who_may_manage_and_switch_models_is_one_of_four() {
    for option in ["--manage-models", "--switch-models"] {
        let refused = refusal(&["serve", option, "everyone"]);
        for word in [
            "`loopback`",
            "`password`",
            "`anyone`",
            "`nobody`",
            "`everyone`",
        ] {
            assert!(refused.contains(word), "no {word} in {refused}");
        }
        assert!(parse(&["serve", option, "nobody"]).is_ok());
    }
}
