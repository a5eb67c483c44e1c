//! Answers that must be of a form, by models whose text is noise otherwise.

use std::path::Path;

use futures::executor::block_on_stream;
use nibble_engine::{
    Answer, Completion, Constraint, Conversation, Engine, Error, Event, FinishReason, Language,
    LoadOptions, Message, Prompt, Request, Role, Sampling, Siblings, Steering, ToolCall,
    ToolChoice,
};
use serde_json::{Value, json};

fn engine(name: &str) -> Engine {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.gguf"));
    Engine::load(&LoadOptions {
        model,
        threads: Some(2),
        ..LoadOptions::default()
    })
    .expect("the model loads")
}

fn request(language: Option<Language>, seed: u64) -> Request {
    Request {
        prompt: Prompt::Raw("the dog".into()),
        sampling: Sampling {
            temperature: 1.0,
            seed: Some(seed),
            ..Sampling::default()
        },
        max_tokens: 100,
        constraint: language.map(|language| Constraint {
            field: "form",
            language,
        }),
        ..Request::default()
    }
}

struct Read {
    thought: String,
    text: String,
    calls: Vec<ToolCall>,
    completion: Completion,
}

fn read(answer: Answer) -> Result<Read, Error> {
    let (mut thought, mut text, mut calls) = (String::new(), String::new(), Vec::new());
    for event in block_on_stream(answer) {
        match event {
            Event::Queued { .. } | Event::Prefill { .. } | Event::Learned(_) => {}
            Event::Thought(piece) => thought += &piece,
            Event::Text(piece) => text += &piece,
            Event::Called(call) => calls.push(call),
            Event::Finished(completion) => {
                return Ok(Read {
                    thought,
                    text,
                    calls,
                    completion,
                });
            }
            Event::Failed(error) => return Err(error),
        }
    }
    panic!("the answer had no end");
}

fn ask(engine: &Engine, request: Request) -> Read {
    read(engine.submit(request).expect("the request is accepted")).expect("an answer")
}

/// A person, with a few parts of each kind.
fn person() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "pattern": "^[A-Z][a-z]{1,6}$" },
            "age": { "type": "integer", "minimum": 0, "maximum": 150 },
            "height": { "type": "number", "exclusiveMinimum": 0, "maximum": 3 },
            "likes": { "type": "array", "items": { "enum": ["tea", "Zürich", "日本"] }, "minItems": 1, "maxItems": 2 },
            "known": { "type": ["boolean", "null"] },
        },
        "required": ["name", "age", "likes"],
        "additionalProperties": false,
    })
}

fn is_person(value: &Value) -> bool {
    let fields = value.as_object().expect("an object");
    let name = value["name"].as_str().expect("a text");
    let mut letters = name.chars();
    let likes = value["likes"].as_array().expect("a list");
    let known = ["name", "age", "height", "likes", "known"];
    (2..=7).contains(&name.len())
        && letters
            .next()
            .is_some_and(|first| first.is_ascii_uppercase())
        && letters.all(|letter| letter.is_ascii_lowercase())
        && value["age"].as_u64().is_some_and(|age| age <= 150)
        && fields.get("height").is_none_or(|height| {
            height
                .as_f64()
                .is_some_and(|height| height > 0.0 && height <= 3.0)
        })
        && (1..=2).contains(&likes.len())
        && likes
            .iter()
            .all(|like| ["tea", "Zürich", "日本"].contains(&like.as_str().expect("a text")))
        && fields
            .get("known")
            .is_none_or(|known| known.is_boolean() || known.is_null())
        && fields.keys().all(|key| known.contains(&key.as_str()))
}

#[test]
fn noise_is_always_in_the_language() {
    let engine = engine("tiny");
    let (mut whole, mut cut) = (0, 0);
    for seed in 0..60 {
        let Read {
            text, completion, ..
        } = ask(&engine, request(Some(Language::JsonSchema(person())), seed));
        if completion.finish_reason == FinishReason::Stop {
            let value: Value = serde_json::from_str(&text).expect(&text);
            assert!(is_person(&value), "{text}");
            whole += 1;
        } else {
            assert_eq!(completion.finish_reason, FinishReason::Length, "{text}");
            cut += 1;
        }
    }
    assert!(whole > 20, "{whole} whole, {cut} cut off");
    for seed in 0..20 {
        let choices = ["yes", "no", "perhaps not"].map(str::to_owned).to_vec();
        let text = ask(
            &engine,
            request(Some(Language::Choice(choices.clone())), seed),
        )
        .text;
        assert!(choices.contains(&text), "{text}");
        let text = ask(
            &engine,
            request(Some(Language::Regex("[ab]{3}|é{2}".into())), seed),
        )
        .text;
        let letters = text.len() == 3 && text.bytes().all(|byte| b"ab".contains(&byte));
        assert!(letters || text == "éé", "{text}");
    }
}

#[test]
fn a_greedy_answer_is_held_to_it_too_and_ends_with_it() {
    let engine = engine("tiny");
    let mut greedy = request(Some(Language::JsonSchema(person())), 0);
    greedy.sampling = Sampling::default();
    greedy.max_tokens = 200;
    let Read {
        text, completion, ..
    } = ask(&engine, greedy);
    let value: Value = serde_json::from_str(&text).expect(&text);
    assert!(is_person(&value), "{text}");
    assert_eq!(completion.finish_reason, FinishReason::Stop);
}

#[test]
fn limits_and_stop_texts_end_an_answer_before_it_is_whole() {
    let engine = engine("tiny");
    let digits = || request(Some(Language::Regex("[0-9]{50}".into())), 1);
    let limited = Request {
        max_tokens: 3,
        ..digits()
    };
    let Read {
        text, completion, ..
    } = ask(&engine, limited);
    assert_eq!(completion.finish_reason, FinishReason::Length);
    assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let stopped = Request {
        stop: vec![text[1..2].to_owned()],
        ..digits()
    };
    let stopped = ask(&engine, stopped);
    assert_eq!(stopped.completion.finish_reason, FinishReason::Stop);
    assert!(text.starts_with(&stopped.text) && stopped.text.len() < 2);
}

#[test]
fn company_changes_no_bit() {
    let engine = engine("tiny");
    let language = |seed: u64| match seed % 3 {
        0 => None,
        1 => Some(Language::JsonSchema(person())),
        _ => Some(Language::Regex("([a-z]+ ){1,20}".into())),
    };
    let requests = || (0..9).map(|seed| request(language(seed), seed));
    let alone: Vec<_> = requests()
        .map(|request| ask(&engine, request).completion.token_ids)
        .collect();
    let together: Vec<_> = requests()
        .map(|request| engine.submit(request).unwrap())
        .collect();
    for (answer, alone) in together.into_iter().zip(alone) {
        assert_eq!(read(answer).unwrap().completion.token_ids, alone);
    }
}

#[test]
fn a_constraint_begins_behind_the_thought() {
    let engine = engine("thinker");
    let message = Message {
        role: Role::User,
        content: "Why?".into(),
    };
    let choices = ["yes", "no"].map(str::to_owned).to_vec();
    let mut thinking = request(Some(Language::Choice(choices.clone())), 3);
    thinking.prompt = Prompt::Chat(vec![message].into());
    thinking.sampling = Sampling::default();
    thinking.max_tokens = 400;
    let unbound = Request {
        constraint: None,
        ..thinking.clone()
    };
    let free = ask(&engine, unbound);
    let held = ask(&engine, thinking);
    assert!(!held.thought.is_empty());
    assert_eq!(held.thought, free.thought);
    assert!(choices.contains(&held.text), "{}", held.text);
}

fn tool(name: &str, parameters: &Value) -> Value {
    json!({ "type": "function", "function": { "name": name, "description": "", "parameters": parameters } })
}

fn with_tools(choice: ToolChoice, strict: &[&str]) -> Request {
    let message = Message {
        role: Role::User,
        content: "Weather?".into(),
    };
    let place = json!({ "type": "object", "properties": { "where": { "enum": ["Rome", "Bern"] } }, "required": ["where"], "additionalProperties": false });
    let day = json!({ "type": "object", "properties": { "day": { "type": "integer", "minimum": 1, "maximum": 7 } }, "required": ["day"], "additionalProperties": false });
    let conversation = Conversation {
        tools: vec![tool("weather", &place), tool("now", &day)],
        tool_choice: choice,
        strict: strict.iter().map(|name| (*name).to_owned()).collect(),
        single_call: true,
        ..Conversation::from(vec![message])
    };
    Request {
        prompt: Prompt::Chat(conversation),
        ..request(None, 5)
    }
}

fn assert_kept(call: &ToolCall) {
    let arguments = call.arguments.object();
    assert_eq!(arguments.len(), 1, "{call:?}");
    match call.name.as_str() {
        "weather" => {
            assert!(["Rome", "Bern"].contains(&arguments["where"].as_str().expect("a text")))
        }
        "now" => assert!((1..=7).contains(&arguments["day"].as_u64().expect("a number"))),
        other => panic!("{other}"),
    }
}

#[test]
fn a_call_that_is_demanded_is_made_in_the_models_own_way() {
    for name in ["caller_qwen", "caller_mistral", "caller_llama"] {
        let engine = engine(name);
        let Read {
            text,
            calls,
            completion,
            ..
        } = ask(&engine, with_tools(ToolChoice::Required, &[]));
        assert_eq!((text.trim(), calls.len()), ("", 1), "{name}");
        assert_kept(&calls[0]);
        assert_eq!(completion.finish_reason, FinishReason::Stop, "{name}");
        let mut named = with_tools(ToolChoice::Named("now".into()), &[]);
        if let Prompt::Chat(conversation) = &mut named.prompt {
            conversation.single_call = false;
        }
        let calls = ask(&engine, named).calls;
        assert_eq!(calls.len(), 1, "{name}");
        assert_eq!(calls[0].name, "now", "{name}");
        assert_kept(&calls[0]);
    }
}

#[test]
fn a_call_that_is_made_freely_keeps_to_a_strict_schema() {
    // They call "weather" of "Zürich", where they are free; the last behind a mark that it may leave out.
    for name in ["caller_qwen", "caller_mistral", "caller_llama"] {
        let engine = engine(name);
        let free = |strict: &[&str]| {
            let mut free = with_tools(ToolChoice::Free, strict);
            free.sampling = Sampling::default();
            ask(&engine, free)
        };
        let loose = free(&[]);
        assert_eq!(
            loose.calls[0].arguments.object()["where"],
            "Zürich",
            "{name}"
        );
        let strict = free(&["weather", "now"]);
        assert_eq!(strict.text, loose.text, "{name}");
        assert_kept(&strict.calls[0]);
    }
}

#[test]
fn a_tool_told_in_words_is_called_with_any_object_where_its_schema_is_not_supported() {
    // Its template knows no tools.
    let engine = engine("thinker_in_circles");
    let odd = json!({ "type": "object", "properties": { "a": { "not": {} } } });
    let with = |choice, strict: &[&str]| {
        let mut request = with_tools(choice, strict);
        if let Prompt::Chat(conversation) = &mut request.prompt {
            conversation.tools[1] = tool("now", &odd);
        }
        engine.submit(request)
    };
    read(with(ToolChoice::Free, &[]).unwrap()).unwrap();
    for refused in [
        with(ToolChoice::Free, &["now"]),
        with(ToolChoice::Required, &[]),
    ] {
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("`/properties/a/not`"), "{refused}");
    }
}

/// A request for calls, or a text of a language, as often as there are seeds.
fn either(choice: ToolChoice, strict: &[&str], language: &Language, seed: u64) -> Request {
    let mut either = Request {
        constraint: request(Some(language.clone()), 0).constraint,
        ..with_tools(choice, strict)
    };
    either.sampling.seed = Some(seed);
    either
}

#[test]
fn noise_beside_tools_is_a_call_or_of_the_form() {
    let schema = json!({ "type": "object", "properties": { "n": { "enum": [1, 2] } }, "required": ["n"], "additionalProperties": false });
    for name in ["caller_qwen", "caller_mistral", "caller_llama"] {
        let engine = engine(name);
        let mut forms = vec![
            (Language::JsonSchema(schema.clone()), "{"),
            (Language::Regex("[ab]{3}".into()), "ab"),
            (Language::Choice(vec!["aba".into(), "bab".into()]), "ab"),
        ];
        if name != "caller_llama" {
            forms.push((Language::Lark("start: A A A\nA: /[ab]/".into()), "ab"));
            forms.push((Language::Gbnf("root ::= [ab] [ab] [ab]".into()), "ab"));
        }
        for (language, begins) in forms {
            for seed in 0..12 {
                let asked = either(ToolChoice::Free, &["weather", "now"], &language, seed);
                let Read {
                    text,
                    calls,
                    completion,
                    ..
                } = ask(&engine, asked);
                if completion.finish_reason == FinishReason::Length {
                    continue;
                }
                match &calls[..] {
                    [] if begins == "{" => {
                        let value: Value = serde_json::from_str(&text).expect(&text);
                        let number = value["n"].as_u64().expect("a number");
                        assert!((1..=2).contains(&number), "{name}: {text}");
                    }
                    [] => {
                        let letters = text.bytes().all(|byte| b"ab".contains(&byte));
                        assert!(letters && text.len() == 3, "{name}: {text}");
                    }
                    [call] => {
                        assert_eq!(text.trim(), "", "{name}: {language:?}");
                        assert_kept(call);
                    }
                    _ => panic!("{name}: {calls:?}"),
                }
            }
        }
    }
}

#[test]
fn a_model_that_calls_goes_on_to_call_beside_a_form() {
    let engine = engine("caller_qwen");
    for strict in [&[][..], &["weather", "now"]] {
        let mut asked = either(ToolChoice::Free, strict, &Language::JsonObject, 0);
        asked.sampling = Sampling::default();
        let Read { text, calls, .. } = ask(&engine, asked);
        assert_eq!((text.trim(), calls.len()), ("", 1), "{strict:?}");
        assert_eq!(calls[0].name, "weather", "{strict:?}");
        match strict {
            [] => assert_eq!(calls[0].arguments.object()["where"], "Zürich", "{strict:?}"),
            _ => assert_kept(&calls[0]),
        }
    }
}

#[test]
fn a_call_that_is_demanded_needs_no_form() {
    let engine = engine("caller_qwen");
    let choice = Language::Choice(vec!["yes".into()]);
    for demanded in [ToolChoice::Required, ToolChoice::Named("weather".into())] {
        let Read { text, calls, .. } = ask(&engine, either(demanded, &[], &choice, 1));
        assert_eq!((text.trim(), calls.len()), ("", 1));
        assert_kept(&calls[0]);
    }
}

#[test]
fn what_cannot_stand_beside_tools_is_refused_by_its_own_name() {
    let refusal = |name: &str, strict: &[&str], language: &Language| {
        let asked = either(ToolChoice::Free, strict, language, 0);
        engine(name).submit(asked).unwrap_err().to_string()
    };
    let lark = Language::Lark("start: \"a\"".into());
    let refused = refusal("caller_llama", &[], &lark);
    assert!(
        refused.starts_with("`form` is a grammar, and this model writes calls"),
        "{refused}"
    );
    let odd = Language::JsonSchema(json!({ "properties": { "a": { "not": {} } } }));
    for name in ["caller_qwen", "caller_llama"] {
        let refused = refusal(name, &[], &odd);
        assert!(
            refused.starts_with("`form` is not supported at `/properties/a/not`"),
            "{name}: {refused}"
        );
    }
}

#[test]
fn answers_to_one_request_and_later_ones_share_what_is_compiled() {
    let engine = engine("tiny");
    let language = Language::JsonSchema(person());
    let siblings = Siblings::default();
    let requests = (0..3).map(|seed| Request {
        siblings: Some(siblings.clone()),
        ..request(Some(language.clone()), seed)
    });
    let answers: Vec<_> = requests
        .map(|request| engine.submit(request).unwrap())
        .collect();
    for (seed, answer) in (0..).zip(answers) {
        let together = read(answer).unwrap().completion.token_ids;
        // Of an engine that has compiled nothing yet.
        let alone = ask(&self::engine("tiny"), request(Some(language.clone()), seed));
        assert_eq!(together, alone.completion.token_ids);
    }
}

#[test]
fn what_cannot_be_demanded_is_refused() {
    let engine = engine("caller_qwen");
    let refusal = |request: Request| engine.submit(request).unwrap_err().to_string();
    let mut odd = with_tools(ToolChoice::Required, &[]);
    if let Prompt::Chat(conversation) = &mut odd.prompt {
        conversation.tools[1] = tool("now", &json!({ "properties": { "a": { "not": {} } } }));
    }
    let refused = refusal(odd);
    assert!(
        refused.contains("`now`") && refused.contains("`/properties/a/not`"),
        "{refused}"
    );
    let missing = refusal(with_tools(ToolChoice::Named("other".into()), &[]));
    assert!(missing.contains("`other`"), "{missing}");
}

/// The token of a character.
fn id(engine: &Engine, text: &str) -> u32 {
    let spells = |id: &u32| engine.spelt(&[*id]).is_ok_and(|spelt| spelt == text);
    let mut ids = 0..engine.info().vocabulary as u32;
    ids.find(spells).expect("each letter is a token")
}

#[test]
fn a_form_is_written_to_its_end_however_it_repeats_itself() {
    let engine = engine("caller_qwen");
    let array =
        json!({ "type": "array", "items": { "const": 0 }, "minItems": 300, "maxItems": 300 });
    let zeros = format!("[{}0]", "0,".repeat(299));
    let (some, stop) = ("0".repeat(256), FinishReason::Stop);
    for (language, expected, reason) in [
        (Language::JsonSchema(array), &zeros, stop),
        (Language::Regex("0{256}".into()), &some, stop),
        // It may end wherever it goes round in circles.
        (
            Language::Regex("0*".into()),
            &some,
            FinishReason::Repetition,
        ),
    ] {
        let mut long = request(Some(language), 1);
        long.max_tokens = 2000;
        // Nothing but these, so that there is one answer.
        let tokens = ["[", "0", ",", "]"].map(|text| id(&engine, text));
        long.steering.allowed_token_ids = tokens.to_vec();
        let Read {
            text, completion, ..
        } = ask(&engine, long);
        assert_eq!((&text, completion.finish_reason), (expected, reason));
    }
}

#[test]
fn an_answer_of_which_steering_leaves_nothing_ends_only_where_it_may() {
    let engine = engine("tiny");
    let [a, b, c] = ["a", "b", "c"].map(|text| id(&engine, text));
    let steered = |pattern: &str, steering| {
        let mut request = request(Some(Language::Regex(pattern.into())), 1);
        request.steering = steering;
        read(engine.submit(request).unwrap())
    };
    let allowed = |tokens: &[u32]| Steering {
        allowed_token_ids: tokens.to_vec(),
        ..Steering::default()
    };
    let ended = steered("a(bc)?", allowed(&[a])).unwrap();
    assert_eq!(ended.completion.finish_reason, FinishReason::Stop);
    assert_eq!(ended.text, "a");
    let without = |token| Steering {
        logit_bias: vec![(token, f32::NEG_INFINITY)],
        ..allowed(&[a, b])
    };
    for (steering, fields) in [
        (allowed(&[a]), "`allowed_token_ids`"),
        (allowed(&[c]), "`allowed_token_ids`"),
        (without(b), "`allowed_token_ids` and `logit_bias`"),
        // Not even those that are allowed.
        (without(a), "`allowed_token_ids` and `logit_bias`"),
    ] {
        let failed = steered("abc", steering)
            .err()
            .map(|error| error.to_string());
        let expected = format!(
            "`form` cannot be followed any further: what may come next is taken away by {fields}"
        );
        assert_eq!(failed, Some(expected));
    }
}
