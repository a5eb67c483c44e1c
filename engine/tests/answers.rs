//! Answers of the tiny checkpoint through the public interface. Its text is noise, but always the same noise.

use std::path::Path;

use futures::executor::block_on_stream;
use nibble_engine::{
    Answer, Completion, Engine, Error, Event, FinishReason, LoadOptions, MAX_MESSAGES,
    MAX_STOP_BYTES, Message, Prompt, Request, Role, Sampling, Thinking,
};

fn options() -> LoadOptions {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny.gguf");
    LoadOptions {
        model,
        threads: Some(2),
        ..LoadOptions::default()
    }
}

fn engine() -> Engine {
    Engine::load(&options()).expect("the model loads")
}

fn raw(text: &str, max_tokens: usize) -> Request {
    Request {
        prompt: Prompt::Raw(text.into()),
        sampling: Sampling::default(),
        max_tokens,
        thinking: Thinking::default(),
        constraint: None,
        stop: Vec::new(),
        usd_per_hour: 1.0,
        caller: nibble_engine::Caller::default(),
        ..Request::default()
    }
}

fn read(answer: Answer) -> (String, Completion) {
    let mut text = String::new();
    for event in block_on_stream(answer) {
        match event {
            Event::Queued { .. } => {}
            Event::Prefill { done, total } => assert!(done <= total && text.is_empty()),
            Event::Text(piece) => {
                assert!(!piece.is_empty());
                text += &piece;
            }
            Event::Finished(completion) => return (text, completion),
            Event::Thought(_) | Event::Called(_) | Event::Learned(_) => panic!("{event:?}"),
            Event::Failed(error) => panic!("{error}"),
        }
    }
    panic!("the answer had no end");
}

fn ask(engine: &Engine, request: Request) -> (String, Completion) {
    read(engine.submit(request).expect("the request is accepted"))
}

#[test]
fn an_answer_counts_its_tokens_and_its_time() {
    let engine = engine();
    let (text, completion) = ask(&engine, raw("the quick brown fox", 12));
    assert!(!text.is_empty());
    assert_eq!(completion.finish_reason, FinishReason::Length);
    assert_eq!(
        completion.prompt_tokens,
        engine.tokenize("the quick brown fox").len()
    );
    assert_eq!(
        (
            completion.token_ids.len(),
            completion.metrics.completion_tokens
        ),
        (12, 12)
    );
    let metrics = completion.metrics;
    let first = metrics.time_to_first_token_s.unwrap();
    assert!(metrics.queued_s <= first && first <= metrics.total_s);
    assert!(metrics.decode_tokens_per_second.unwrap() > 0.0 && metrics.usd_total > 0.0);
    assert_eq!(
        (metrics.kernel, metrics.threads),
        (engine.info().kernel.clone(), 2)
    );
}

#[test]
fn every_thread_count_gives_the_same_answer() {
    let expected = ask(&engine(), raw("small words", 40));
    for threads in [1, 3] {
        let engine = Engine::load(&LoadOptions {
            threads: Some(threads),
            ..options()
        })
        .unwrap();
        let found = ask(&engine, raw("small words", 40));
        assert_eq!(
            (found.0, found.1.token_ids),
            (expected.0.clone(), expected.1.token_ids.clone())
        );
    }
}

#[test]
fn a_stop_text_ends_the_answer_and_is_not_shown() {
    let engine = engine();
    let (whole, _) = ask(&engine, raw("the things", 40));
    let start = whole
        .char_indices()
        .nth(whole.chars().count() / 2)
        .unwrap()
        .0;
    let stop: String = whole[start..].chars().take(5).collect();
    let expected = &whole[..whole.find(&stop).unwrap()];
    let (text, completion) = ask(
        &engine,
        Request {
            stop: vec![stop],
            ..raw("the things", 40)
        },
    );
    assert_eq!(
        (text.as_str(), completion.finish_reason),
        (expected, FinishReason::Stop)
    );
}

#[test]
fn a_shared_prefix_is_not_computed_again_and_changes_nothing() {
    let engine = engine();
    let (first, _) = ask(&engine, raw("the quick brown fox", 20));
    let longer = format!("the quick brown fox{first} and the dog");
    let (text, completion) = ask(&engine, raw(&longer, 20));
    assert!(completion.cached_tokens > 0 && completion.cached_tokens < completion.prompt_tokens);
    let (expected, fresh) = ask(&self::engine(), raw(&longer, 20));
    assert_eq!((text, fresh.cached_tokens), (expected, 0));
}

#[test]
fn the_same_prompt_twice_still_has_logits_to_sample_from() {
    let engine = engine();
    let (first, _) = ask(&engine, raw("dog", 10));
    let (second, completion) = ask(&engine, raw("dog", 10));
    assert_eq!(first, second);
    assert_eq!(completion.cached_tokens, completion.prompt_tokens - 1);
}

#[test]
fn a_seed_repeats_an_answer_whatever_came_before() {
    let engine = engine();
    let warm = |seed| {
        let sampling = Sampling {
            temperature: 1.0,
            top_p: 0.95,
            seed: Some(seed),
            ..Sampling::default()
        };
        Request {
            sampling,
            ..raw("a small model says", 30)
        }
    };
    let (first, _) = ask(&engine, warm(1));
    let (other, _) = ask(&engine, warm(2));
    let (again, _) = ask(&engine, warm(1));
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn an_answer_never_outgrows_the_context_and_says_which_limit_ended_it() {
    let engine = engine();
    let (_, completion) = ask(&engine, raw("The dog", 100_000));
    let tokens = completion.token_ids.len();
    assert_eq!(completion.prompt_tokens + tokens, engine.info().context);
    assert_eq!(completion.finish_reason, FinishReason::Context);
    for (most, reason) in [
        (tokens + 1, FinishReason::Context),
        (tokens, FinishReason::Length),
        (tokens - 1, FinishReason::Length),
    ] {
        let (_, completion) = ask(&engine, raw("The dog", most));
        assert_eq!(completion.finish_reason, reason, "{most} of {tokens}");
        assert_eq!(completion.token_ids.len(), most.min(tokens));
    }
}

#[test]
fn a_chat_is_laid_out_by_the_template() {
    let engine = engine();
    let chat = |content: &str| {
        let message = Message {
            role: Role::User,
            content: content.into(),
        };
        Request {
            prompt: Prompt::Chat(vec![message].into()),
            ..raw("", 5)
        }
    };
    let (_, completion) = ask(&engine, chat("hello"));
    let content = engine.tokenize("hello").len();
    assert!(
        completion.prompt_tokens > content,
        "{}",
        completion.prompt_tokens
    );
    let two = vec![
        Message {
            role: Role::User,
            content: "a".into()
        };
        2
    ];
    let error = engine
        .submit(Request {
            prompt: Prompt::Chat(two.into()),
            ..raw("", 5)
        })
        .unwrap_err();
    assert!(
        error.to_string().contains("roles must alternate"),
        "{error}"
    );
}

#[test]
fn a_stopped_answer_keeps_its_text_and_says_so() {
    let engine = engine();
    let first = engine.submit(raw("The dog", 200)).unwrap();
    let second = engine.submit(raw("the fox", 200)).unwrap();
    second.stopper().stop();
    let (text, completion) = read(second);
    assert_eq!(completion.finish_reason, FinishReason::Cancelled);
    // It runs beside the first, so some tokens may be there.
    let tokens = completion.token_ids.len();
    assert!(tokens < 200, "{tokens}");
    let first_token = completion.metrics.time_to_first_token_s;
    assert_eq!(first_token.is_none(), tokens == 0);
    assert_eq!(read(first).1.finish_reason, FinishReason::Length);
    let (whole, _) = ask(&engine, raw("the fox", 200));
    assert!(whole.starts_with(&text), "{text} of {whole}");
}

#[test]
fn an_abandoned_answer_makes_way() {
    let engine = engine();
    for _ in 0..50 {
        drop(engine.submit(raw("The dog", 200)).unwrap());
    }
    // Fifty answers of 200 tokens would take far longer than this one's own time.
    let (_, completion) = ask(&engine, raw("the fox", 200));
    assert!(
        completion.metrics.queued_s
            < 20.0 * (completion.metrics.total_s - completion.metrics.queued_s)
    );
}

#[test]
fn a_full_queue_refuses_and_loses_nothing() {
    let engine = Engine::load(&LoadOptions {
        queue: Some(2),
        ..options()
    })
    .unwrap();
    let submitted: Vec<_> = (0..40)
        .map(|_| engine.submit(raw("The dog", 100)))
        .collect();
    let refused = submitted
        .iter()
        .filter(|answer| matches!(answer, Err(Error::Busy { limit: 2, .. })));
    assert!(refused.count() > 0);
    let mut answered = 0;
    for answer in submitted.into_iter().flatten() {
        assert_eq!(read(answer).1.token_ids.len(), 100);
        answered += 1;
    }
    assert!(answered > 0);
}

#[test]
fn requests_out_of_range_are_refused_by_name() {
    let engine = engine();
    let refuse = |request: Request, words: &[&str]| {
        let error = engine.submit(request).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    refuse(
        raw(&"the dog ".repeat(200), 5),
        &["prompt", "context", "256"],
    );
    refuse(raw("", 5), &["empty"]);
    refuse(raw("a", 0), &["`max_tokens`", "0"]);
    refuse(
        Request {
            stop: vec![String::new()],
            ..raw("a", 5)
        },
        &["`stop`"],
    );
    refuse(
        Request {
            stop: vec!["x".into(); 17],
            ..raw("a", 5)
        },
        &["`stop`", "16", "17"],
    );
    refuse(
        Request {
            stop: vec!["x".repeat(MAX_STOP_BYTES + 1)],
            ..raw("a", 5)
        },
        &["`stop`", "1024", "1025"],
    );
    let message = Message {
        role: Role::User,
        content: "a".into(),
    };
    refuse(
        Request {
            prompt: Prompt::Chat(vec![message; MAX_MESSAGES + 1].into()),
            ..raw("a", 5)
        },
        &["`messages`", "4096", "4097"],
    );
    refuse(
        Request {
            usd_per_hour: -1.0,
            ..raw("a", 5)
        },
        &["`usd_per_hour`", "-1"],
    );
    for temperature in [-0.1, 2.5, f32::NAN] {
        let sampling = Sampling {
            temperature,
            ..Sampling::default()
        };
        refuse(
            Request {
                sampling,
                ..raw("a", 5)
            },
            &["`temperature`"],
        );
    }
    for top_p in [0.0, 1.1] {
        let sampling = Sampling {
            top_p,
            ..Sampling::default()
        };
        refuse(
            Request {
                sampling,
                ..raw("a", 5)
            },
            &["`top_p`"],
        );
    }
}

#[test]
fn load_options_out_of_range_are_refused_by_name() {
    let refuse = |options: LoadOptions, words: &[&str]| {
        let error = Engine::load(&options).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    };
    refuse(
        LoadOptions {
            threads: Some(0),
            ..options()
        },
        &["`threads`", "0"],
    );
    refuse(
        LoadOptions {
            context: Some(1_000_000),
            ..options()
        },
        &["`context`", "256", "1000000"],
    );
    refuse(
        LoadOptions {
            kernel: Some("mmx".into()),
            ..options()
        },
        &["`mmx`", "`scalar`"],
    );
    refuse(
        LoadOptions {
            model: "missing.gguf".into(),
            ..options()
        },
        &["missing.gguf"],
    );
}
