//! Thoughts from the request to the events, with models that always think.

use futures::executor::block_on_stream;
use nibble_engine::{
    Completion, Constraint, Conversation, Engine, Event, FinishReason, Language, Message, Prompt,
    Request, Role, Sampling, Thinking,
};

#[path = "support/fixture.rs"]
mod fixture;

use fixture::engine;

fn question() -> Conversation {
    vec![Message {
        role: Role::User,
        content: "Coffee?".to_owned(),
    }]
    .into()
}

fn request(prompt: Prompt) -> Request {
    Request {
        prompt,
        sampling: Sampling::default(),
        max_tokens: 1000,
        thinking: Thinking::default(),
        constraint: None,
        stop: Vec::new(),
        usd_per_hour: 1.0,
        caller: nibble_engine::Caller::default(),
        ..Request::default()
    }
}

fn asked() -> Request {
    request(Prompt::Chat(question()))
}

/// The thought, the text, and the end.
fn ask(engine: &Engine, request: Request) -> (String, String, Completion) {
    let (mut thought, mut text) = (String::new(), String::new());
    for event in block_on_stream(engine.submit(request).expect("the request is accepted")) {
        match event {
            Event::Queued { .. } | Event::Prefill { .. } => {}
            Event::Thought(piece) => {
                assert!(!piece.is_empty() && text.is_empty());
                thought += &piece;
            }
            Event::Text(piece) => text += &piece,
            Event::Finished(end) => return (thought, text, end),
            Event::Called(call) => panic!("{call:?}"),
            Event::Learned(learned) => panic!("{learned:?}"),
            Event::Failed(error) => panic!("{error}"),
        }
    }
    panic!("the answer had no end");
}

#[test]
fn a_thought_comes_apart_from_the_answer_and_is_counted_and_timed() {
    let (thought, text, end) = ask(&engine("thinker.gguf"), asked());
    assert_eq!(
        (thought.as_str(), text.as_str()),
        ("Hm, café?", "Fine then.")
    );
    assert_eq!(end.finish_reason, FinishReason::Stop);
    let metrics = end.metrics;
    assert_eq!(metrics.completion_tokens, end.token_ids.len());
    // Seven with its marks; an empty line, three words and the end.
    assert_eq!((metrics.thought_tokens, metrics.answer_tokens()), (7, 5));
    let [first, answer] = [
        metrics.time_to_first_token_s,
        metrics.time_to_first_answer_token_s,
    ]
    .map(Option::unwrap);
    let thought_s = metrics.thought_s.unwrap();
    assert!(thought_s > 0.0 && first + thought_s < answer && answer < metrics.total_s);
}

#[test]
fn a_model_is_known_to_think_by_its_template() {
    for (name, thinks) in [
        ("thinker.gguf", true),
        ("thinker_in_circles.gguf", true),
        ("caller_qwen.gguf", false),
        ("tiny.gguf", false),
    ] {
        assert_eq!(engine(name).info().thinks, thinks, "{name}");
    }
}

#[test]
fn a_stop_text_in_a_thought_is_none() {
    let engine = engine("thinker.gguf");
    let stop = |text: &str| Request {
        stop: vec![text.to_owned()],
        ..asked()
    };
    let (_, text, end) = ask(&engine, stop("café"));
    assert_eq!(
        (text.as_str(), end.metrics.thought_tokens),
        ("Fine then.", 7)
    );
    let (thought, text, _) = ask(&engine, stop("then"));
    assert_eq!((thought.is_empty(), text.as_str()), (false, "Fine "));
}

#[test]
fn an_answer_that_is_cut_off_in_its_thought_has_no_text() {
    let cut = Request {
        max_tokens: 3,
        ..asked()
    };
    let (thought, text, end) = ask(&engine("thinker.gguf"), cut);
    assert_eq!((thought.as_str(), text.as_str()), ("Hm, caf", ""));
    assert_eq!(end.finish_reason, FinishReason::Length);
    assert_eq!(end.metrics.time_to_first_answer_token_s, None);
    assert_eq!(end.metrics.answer_tokens(), 0);
}

/// A request with a thought of at most so many tokens.
fn bounded(budget: usize) -> Request {
    Request {
        thinking: Thinking {
            budget: Some(budget),
            ..Thinking::default()
        },
        ..asked()
    }
}

#[test]
fn a_thought_that_comes_to_its_budget_is_ended_and_an_answer_follows() {
    // One family opens its thoughts itself, the other has them opened by the prompt.
    for (name, budget, expected) in [
        ("thinker.gguf", 3, "Hm, caf"),
        ("thinker.gguf", 1, ""),
        // Within a character, of which nothing is left.
        ("thinker.gguf", 4, "Hm, caf"),
        ("thinker_in_circles.gguf", 3, "Hm, wait. Once"),
        (
            "thinker_in_circles.gguf",
            50,
            &"Hm, wait. Once more".repeat(13)[..236],
        ),
    ] {
        let (thought, text, end) = ask(&engine(name), bounded(budget));
        assert_eq!((thought.as_str(), text.as_str()), (expected, "Fine then."));
        assert_eq!(end.finish_reason, FinishReason::Stop);
        // A line end, the mark, and the empty line behind it.
        assert_eq!(end.token_ids.len(), budget + 3 + 4, "{name}");
        assert_eq!(end.metrics.thought_tokens, budget + 2, "{name}");
    }
}

#[test]
fn a_budget_that_is_not_used_up_changes_nothing() {
    let engine = engine("thinker.gguf");
    let (thought, text, end) = ask(&engine, asked());
    for budget in [7, 100] {
        let (bounded_thought, bounded_text, bounded_end) = ask(&engine, bounded(budget));
        assert_eq!((&bounded_thought, &bounded_text), (&thought, &text));
        assert_eq!(bounded_end.token_ids, end.token_ids);
    }
}

#[test]
fn thoughts_are_ended_alike_in_any_company() {
    let engine = engine("thinker_in_circles.gguf");
    let budgets = [1, 2, 5, 40, 100];
    let alone = budgets.map(|budget| ask(&engine, bounded(budget)).2.token_ids);
    let together = budgets.map(|budget| engine.submit(bounded(budget)).unwrap());
    for (answer, alone) in together.into_iter().zip(alone) {
        let end = block_on_stream(answer).last();
        let Some(Event::Finished(end)) = end else {
            panic!("{end:?}");
        };
        assert_eq!(end.token_ids, alone);
    }
}

#[test]
fn thinking_can_be_turned_off_also_where_the_template_has_no_switch() {
    for (name, prompt_tokens) in [("thinker.gguf", 4), ("thinker_in_circles.gguf", 2)] {
        let engine = engine(name);
        let prompt = ask(&engine, bounded(1)).2.prompt_tokens;
        let off = Request {
            thinking: Thinking {
                enabled: Some(false),
                budget: None,
            },
            ..asked()
        };
        for request in [off, bounded(0)] {
            let is_off = request.thinking.enabled.is_some();
            let (thought, text, end) = ask(&engine, request);
            assert_eq!(
                (thought.as_str(), text.as_str()),
                ("", "Fine then."),
                "{name}"
            );
            if is_off {
                assert_eq!(end.prompt_tokens, prompt + prompt_tokens, "{name}");
                assert_eq!(end.metrics.thought_tokens, 0);
            }
        }
    }
}

#[test]
fn the_template_is_told_whether_to_think_unless_a_variable_says_so() {
    let engine = engine("thinker.gguf");
    for (enabled, variable, thinks) in [
        (None, None, true),
        (Some(true), None, true),
        (None, Some(false), false),
        (Some(true), Some(false), false),
    ] {
        let mut conversation = question();
        let variable = variable.map(|value: bool| ("enable_thinking".to_owned(), value.into()));
        conversation.variables.extend(variable);
        let (thought, ..) = ask(
            &engine,
            Request {
                thinking: Thinking {
                    enabled,
                    budget: None,
                },
                ..request(Prompt::Chat(conversation))
            },
        );
        assert_eq!(!thought.is_empty(), thinks, "{enabled:?} {thought}");
    }
}

#[test]
fn an_answer_that_goes_round_in_circles_ends_with_that_reason_in_any_company() {
    let engine = engine("thinker_in_circles.gguf");
    let (thought, text, end) = ask(&engine, asked());
    assert_eq!(end.finish_reason, FinishReason::Repetition);
    // Four tokens over and over.
    assert_eq!((end.token_ids.len(), text.as_str()), (256, ""));
    assert!(thought.ends_with("Once more"), "{thought}");
    let together = [asked(), bounded(200), asked(), bounded(260)];
    let ends = together.map(|request| engine.submit(request).unwrap());
    for (answer, expected) in ends.into_iter().zip([true, false, true, true]) {
        let Some(Event::Finished(completion)) = block_on_stream(answer).last() else {
            panic!("the answer had no end");
        };
        let repeats = completion.finish_reason == FinishReason::Repetition;
        assert_eq!(repeats, expected);
        if repeats {
            assert_eq!(completion.token_ids, end.token_ids);
        }
    }
    let cut = Request {
        max_tokens: 255,
        ..asked()
    };
    assert_eq!(ask(&engine, cut).2.finish_reason, FinishReason::Length);
    // A thought is free whatever the answer must be.
    let held = Request {
        constraint: Some(Constraint {
            field: "form",
            language: Language::Choice(vec!["Fine".to_owned()]),
        }),
        ..asked()
    };
    assert_eq!(ask(&engine, held).2.token_ids, end.token_ids);
}

#[test]
fn text_that_is_continued_without_a_template_has_no_thoughts() {
    let raw = request(Prompt::Raw("Coffee?\n".to_owned()));
    let (thought, text, end) = ask(&engine("thinker.gguf"), raw);
    assert_eq!(thought, "");
    assert!(text.starts_with("<think>\nHm"), "{text}");
    assert_eq!(end.metrics.thought_tokens, 0);
}
