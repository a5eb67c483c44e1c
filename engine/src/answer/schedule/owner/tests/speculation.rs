//! Answers that guess ahead are those that do not, token by token, and take fewer steps.

use super::simulated::{WHOLE, WINDOWS, expected_by, next_token, owner_with};
use super::*;
use crate::Steering;
use crate::answer::conversation_key::ConversationId;
use crate::answer::pending::ThoughtLimit;
use crate::compute::kernel::span::KEY_BLOCK;
use crate::text::thoughts::{Marks, ThoughtReader};

/// Counts on, in circles of 20, but for breaks that depend on every key.
pub(super) fn repeating(sum: f32, last: u32) -> u32 {
    match sum as u32 % 13 {
        0 => next_token(sum, last),
        _ => 10 + (last + 11) % 20,
    }
}

fn repeating_owner(blocks: u64) -> Owner<Simulated> {
    repeating_owner_with(WHOLE, blocks)
}

pub(super) fn repeating_owner_with(
    windows: &'static [Option<usize>],
    blocks: u64,
) -> Owner<Simulated> {
    let mut owner = owner_with(windows, blocks, LIMITS, Vec::new());
    owner.model.next = repeating;
    owner
}

/// What it says behind a prompt.
fn repeated(prompt: &[u32], output: usize) -> Vec<u32> {
    expected_by(repeating, WHOLE, prompt, output)
}

/// Asks for an answer that guesses so many tokens at a time.
pub(super) fn guessing(most: usize) -> impl Fn(&mut PendingAnswer) + Copy {
    move |pending| pending.speculation = Speculation::Fixed(most)
}

/// What an answer put out, and what of it was guessed: drafted and accepted.
pub(super) fn put_out(answer: Answer) -> (Vec<u32>, FinishReason, [usize; 2]) {
    let end = completion(answer);
    let guesses = [end.metrics.drafted_tokens, end.metrics.accepted_tokens];
    (end.token_ids, end.finish_reason, guesses)
}

/// One answer by itself.
fn alone(
    prompt: &[u32],
    max_tokens: usize,
    speculation: Speculation,
    change: impl FnOnce(&mut PendingAnswer),
) -> (Vec<u32>, FinishReason, [usize; 2]) {
    let mut owner = repeating_owner(100);
    let answer = owner.ask_with(1, prompt, max_tokens, |pending| {
        pending.speculation = speculation;
        change(pending);
    });
    owner.finish_all();
    owner.assert_nothing_is_lost();
    put_out(answer)
}

#[test]
fn greedy_answers_are_the_same_and_take_fewer_steps() {
    for most in [1, 3, 16] {
        let mut owner = repeating_owner(100);
        let answer = owner.ask_with(1, &prompt(0, 40), 200, guessing(most));
        owner.finish_all();
        let (tokens, _, [drafted, accepted]) = put_out(answer);
        assert_eq!(tokens, repeated(&prompt(0, 40), 200));
        // The first token comes with the prompt, and each step gives one besides its guesses.
        assert_eq!(owner.model.steps, 200 - accepted);
        assert!(accepted > 80 && accepted <= drafted, "{accepted} {drafted}");
        let load = owner.load.read(0);
        let counted = [load.drafted_tokens, load.accepted_tokens];
        assert_eq!(counted, [drafted as u64, accepted as u64]);
        assert_eq!([load.drafted_by_model, load.accepted_by_model], [0, 0]);
        assert_eq!(load.output_tokens, 200);
    }
}

#[test]
fn what_is_kept_of_an_answer_is_what_a_second_turn_finds() {
    let mut owner = repeating_owner(100);
    let guess = guessing(8);
    let first = prompt(0, 50);
    let answer = owner.ask_with(1, &first, 150, guess);
    owner.finish_all();
    let said = completion(answer).token_ids;
    let second = [first, said, prompt(3, 10)].concat();
    let answer = owner.ask_with(1, &second, 50, guess);
    owner.finish_all();
    let end = completion(answer);
    assert_eq!(end.cached_tokens, 199);
    assert_eq!(end.token_ids, repeated(&second, 50));
    owner.assert_nothing_is_lost();
}

#[test]
fn the_length_is_chosen_by_what_steps_take() {
    // A row more costs a fifth of a step of one.
    let (tokens, _, guesses) = alone(&prompt(0, 40), 300, Speculation::Auto, |_| ());
    assert_eq!(tokens, repeated(&prompt(0, 40), 300));
    assert!(guesses[1] > 100, "{guesses:?}");
    // What never repeats itself is not guessed for long.
    let mut owner = owner(100, LIMITS, Vec::new());
    let answer = owner.ask_with(1, &prompt(0, 40), 300, |pending| {
        pending.speculation = Speculation::Auto;
    });
    owner.finish_all();
    let (tokens, _, [drafted, _]) = put_out(answer);
    assert_eq!(tokens, expected(&prompt(0, 40), 300));
    assert!(drafted < 60, "{drafted}");
}

#[test]
fn what_is_asked_again_is_guessed_from_answers_of_the_same_conversation_alone() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let question = prompt(0, 40);
    let mut accepted = |caller, conversation| {
        let answer = owner.ask_with(caller, &question, 300, |pending| {
            pending.conversation = Some(ConversationId::numbered(Caller(caller), conversation));
            pending.speculation = Speculation::Auto;
        });
        owner.finish_all();
        let (tokens, _, [_, accepted]) = put_out(answer);
        assert_eq!(tokens, expected(&question, 300));
        accepted
    };
    let first = accepted(1, 1);
    let again = accepted(1, 1);
    let others = [accepted(1, 2), accepted(2, 1)];
    assert!(again > 200, "{again}");
    assert!([first, others[0], others[1]].iter().all(|few| *few < 60));
}

#[test]
fn an_answer_that_was_left_is_guessed_from_as_far_as_it_came() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let question = prompt(0, 40);
    let ask = |owner: &Owner<Simulated>| {
        owner.ask_with(1, &question, 120, |pending| {
            pending.conversation = Some(ConversationId::numbered(Caller(1), 1));
            pending.speculation = Speculation::Fixed(4);
        })
    };
    let left = ask(&owner);
    for _ in 0..60 {
        assert!(owner.turn());
    }
    drop(left);
    owner.finish_all();
    let answer = ask(&owner);
    owner.finish_all();
    let (tokens, _, [_, accepted]) = put_out(answer);
    assert_eq!(tokens, expected(&question, 120));
    assert!(accepted > 40, "{accepted}");
    owner.assert_nothing_is_lost();
}

#[test]
fn a_thought_that_is_ended_among_guesses_is_followed_by_the_same() {
    for limit in [20, 21, 22, 23, 40, 64] {
        let think = |pending: &mut PendingAnswer| {
            let marks = Marks::named_in("<think>").unwrap();
            pending.thoughts = Some(ThoughtReader::behind("<think>", marks));
            pending.thought_limit = Some(ThoughtLimit {
                tokens: limit,
                end: vec![11, 12, 13],
            });
        };
        let without = alone(&prompt(1, 60), 120, Speculation::Off, think);
        let with = alone(&prompt(1, 60), 120, Speculation::Fixed(5), think);
        assert_eq!((&with.0, with.1), (&without.0, without.1));
        assert!(with.2[1] > 20);
    }
}

/// Windows give back blocks; what a guess was computed beyond is had again when it was wrong.
#[test]
fn a_window_gives_back_nothing_that_a_wrong_guess_has_passed() {
    let mut owner = repeating_owner_with(WINDOWS, 100);
    let answer = owner.ask_with(1, &prompt(0, 40), 300, guessing(16));
    while !owner.is_idle() {
        assert!(owner.turn());
        let mut caches = owner.answers.iter().map(Generation::cache);
        assert!(caches.all(|cache| cache.reaches(cache.len())));
    }
    let (tokens, _, [drafted, accepted]) = put_out(answer);
    assert_eq!(tokens, expected_by(repeating, WINDOWS, &prompt(0, 40), 300));
    assert!(0 < accepted && accepted < drafted);
    owner.assert_nothing_is_lost();
}

#[test]
fn answers_that_pause_among_guesses_go_on_with_the_same_tokens() {
    // Three answers come to have five blocks each, with a window less in its layers.
    for (windows, blocks) in [(WHOLE, 10), (WINDOWS, 8)] {
        let mut owner = repeating_owner_with(windows, blocks);
        let prompts = [1, 2, 3].map(|i| prompt(i * 11, 60));
        let ask = |prompt: &Vec<u32>| owner.ask_with(1, prompt, 90, guessing(6));
        let asked: Vec<_> = prompts.iter().map(ask).collect();
        owner.finish_all();
        assert!(owner.load.read(0).preemptions > 0);
        for (answer, prompt) in asked.into_iter().zip(&prompts) {
            let (tokens, _, [_, accepted]) = put_out(answer);
            assert_eq!(tokens, expected_by(repeating, windows, prompt, 90));
            assert!(accepted > 0);
        }
        owner.assert_nothing_is_lost();
    }
}

#[test]
fn an_answer_that_is_cancelled_among_guesses_ends_alone_and_gives_its_blocks_back() {
    let mut owner = repeating_owner(100);
    let [first, second] = [prompt(0, 70), prompt(9, 70)];
    let stays = owner.ask_with(1, &first, 120, guessing(8));
    let leaves = owner.ask_with(2, &second, 120, guessing(8));
    while owner.answers.iter().all(|answer| answer.draft().is_empty()) {
        assert!(owner.turn());
        owner.draft(&[1, 1]);
    }
    drop(leaves);
    assert!(owner.turn());
    assert_eq!(owner.answers.len(), 1);
    let used = owner.memory.usage().used;
    let kept = locked(&owner.prefixes).unused();
    let own = owner.answers[0].cache().len().div_ceil(KEY_BLOCK);
    assert_eq!(used, own + kept);
    owner.finish_all();
    let (tokens, _, [_, accepted]) = put_out(stays);
    assert_eq!(tokens, repeated(&first, 120));
    assert!(accepted > 20, "{accepted}");
    owner.assert_nothing_is_lost();
}

#[test]
fn a_wrong_guess_keeps_no_block() {
    let mut owner = repeating_owner(100);
    let answer = owner.ask_with(1, &prompt(0, 40), 200, guessing(16));
    while !owner.is_idle() {
        assert!(owner.turn());
        if let [answer] = &owner.answers[..] {
            let blocks = answer.cache().len().div_ceil(KEY_BLOCK);
            assert_eq!(owner.memory.usage().used, blocks);
        }
    }
    let (.., [drafted, accepted]) = put_out(answer);
    assert!(accepted < drafted);
}

#[test]
fn what_an_answer_with_guesses_would_cost_alone_has_its_guesses() {
    let mut owner = repeating_owner(100);
    // So it is known what steps take without guesses, and a row of a prompt.
    let plain = owner.ask(1, &prompt(5, 50), 20);
    owner.finish_all();
    drop(plain);
    let prompts = [1, 2, 3].map(|first| prompt(first * 7, 50));
    let alone = prompts.clone().map(|prompt| {
        let answer = owner.ask_with(1, &prompt, 100, |pending| {
            guessing(6)(pending);
            pending.fresh = true;
        });
        owner.finish_all();
        completion(answer).metrics
    });
    for metrics in &alone {
        let [alone, share] = [metrics.usd_alone.unwrap(), metrics.usd_share];
        assert!((alone / share - 1.0).abs() < 0.1, "{alone} {share}");
        // Steps of seven rows, of which most had no right guess or few, are not those of one.
        assert!(metrics.guesses_s.unwrap() < metrics.total_s);
    }
    let together = prompts.map(|prompt| {
        owner.ask_with(1, &prompt, 100, |pending| {
            guessing(6)(pending);
            pending.fresh = true;
        })
    });
    owner.finish_all();
    for (answer, alone) in together.into_iter().zip(alone) {
        let metrics = completion(answer).metrics;
        let expected = metrics.usd_alone.unwrap();
        assert!((expected / alone.usd_share - 1.0).abs() < 0.1, "{expected}");
        assert!(metrics.usd_share < expected);
    }
}

#[test]
fn the_pace_of_tokens_is_that_with_guesses() {
    let mut owner = repeating_owner(100);
    let answer = owner.ask_with(1, &prompt(0, 40), 300, guessing(4));
    let mut paces = Vec::new();
    while !owner.is_idle() {
        assert!(owner.turn());
        paces.extend(owner.rates.pace().token_s(40, true));
    }
    let metrics = completion(answer).metrics;
    let mean = paces.iter().sum::<f64>() / paces.len() as f64;
    let told = metrics.time_per_output_token_ms.unwrap() / 1000.0;
    assert!((mean / told - 1.0).abs() < 0.3, "{mean} {told}");
}

/// How an answer is asked for.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    sampling: Sampling,
    steering: Steering,
    stop: Vec<String>,
    speculation: Speculation,
}

/// Who asks, and for what: the prompt's first token and length, the most tokens, in which turn it comes and how many turns
/// later it leaves, and how it is asked.
pub(super) type Asked = (u32, usize, usize, usize, Option<usize>, Settings);

pub(super) fn asked() -> impl Strategy<Value = Vec<Asked>> {
    prop::collection::vec(
        (
            0u32..4,
            1usize..120,
            20usize..80,
            0usize..30,
            prop::option::of(0usize..30),
            settings(),
        ),
        1..8,
    )
}

/// What is told of each answer that was not left, with guesses or without.
pub(super) fn told(
    mut owner: Owner<Simulated>,
    asked: &[Asked],
    guesses: bool,
) -> Vec<Vec<String>> {
    let mut answers: Vec<_> = asked.iter().map(|_| None).collect();
    let mut turn = 0;
    while turn <= 60 || !owner.is_idle() {
        for (answer, (first, len, output, at, leaves, settings)) in answers.iter_mut().zip(asked) {
            if leaves.is_some_and(|leaves| at + leaves == turn) {
                *answer = None;
            } else if *at == turn {
                let change = |pending: &mut PendingAnswer| {
                    pending.sampling = settings.sampling;
                    pending.steering = settings.steering.clone();
                    pending.stop = settings.stop.clone();
                    pending.logprobs = Some(2);
                    if guesses {
                        pending.speculation = settings.speculation;
                        let number = u64::from(first % 2);
                        let conversation = ConversationId::numbered(pending.caller, number);
                        pending.conversation = Some(conversation);
                    }
                };
                *answer = Some(owner.ask_with(1, &prompt(*first, *len), *output, change));
            }
        }
        assert!(owner.turn());
        turn += 1;
    }
    owner.assert_nothing_is_lost();
    let of_answer = |answer: Answer| {
        let all = events(answer).into_iter();
        let told =
            all.filter(|event| !matches!(event, Event::Prefill { .. } | Event::Queued { .. }));
        told.map(|event| match event {
            Event::Finished(end) => format!("{:?} {:?}", end.token_ids, end.finish_reason),
            event => format!("{event:?}"),
        })
        .collect()
    };
    answers.into_iter().flatten().map(of_answer).collect()
}

fn settings() -> impl Strategy<Value = Settings> {
    let speculation = prop_oneof![
        Just(Speculation::Auto),
        (1usize..=16).prop_map(Speculation::Fixed)
    ];
    let temperature = prop_oneof![Just(0.0f32), 0.3..2.0f32];
    let penalties = prop_oneof![Just((0.0f32, 1.0f32)), (-0.5..0.5f32, 0.9..1.2f32)];
    let bias = prop::collection::vec((10u32..60, -3.0..3.0f32), 0..3);
    let stop = prop_oneof![
        Just(Vec::new()),
        Just(vec!["the dog".to_owned(), "a".to_owned()])
    ];
    (
        speculation,
        temperature,
        any::<u64>(),
        penalties,
        bias,
        0usize..20,
        stop,
    )
        .prop_map(
            |(speculation, temperature, seed, (frequency, repetition), bias, min_tokens, stop)| {
                Settings {
                    sampling: Sampling {
                        temperature,
                        top_k: 20,
                        top_p: 0.95,
                        seed: Some(seed),
                        ..Sampling::default()
                    },
                    steering: Steering {
                        logit_bias: bias,
                        frequency_penalty: frequency,
                        repetition_penalty: repetition,
                        min_tokens,
                        ..Steering::default()
                    },
                    stop,
                    speculation,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn with_and_without_guesses_every_event_is_the_same_in_any_company(
        asked in asked(),
        blocks in 10u64..40,
        windows in prop::sample::select(vec![WHOLE, WINDOWS]),
    ) {
        let with = told(repeating_owner_with(windows, blocks), &asked, true);
        prop_assert_eq!(with, told(repeating_owner_with(windows, 100), &asked, false));
    }
}
