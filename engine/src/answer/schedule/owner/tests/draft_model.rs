//! Answers for which a second model guesses are those without it, token by token, and take fewer steps where that pays.

use super::simulated::{WHOLE, WINDOWS, drafting, expected_by, next_token, owner_with};
use super::speculation::{asked, guessing, put_out, repeating, repeating_owner_with, told};
use super::*;

const AUTO: fn(&mut PendingAnswer) = |pending| pending.speculation = Speculation::Auto;

/// What never repeats itself, so that there is nothing else to guess by, and a draft model that is changed like this.
fn with_draft(blocks: [u64; 2], change: impl FnOnce(&mut Simulated)) -> Owner<Simulated> {
    drafting(
        owner(blocks[0], LIMITS, Vec::new()),
        blocks[1],
        10_000,
        change,
    )
}

/// Says something else for one sum of keys in four.
fn half_right(sum: f32, last: u32) -> u32 {
    match sum as u32 % 4 {
        0 => 10,
        _ => next_token(sum, last),
    }
}

fn never_right(sum: f32, last: u32) -> u32 {
    10 + (next_token(sum, last) + 1) % 50
}

#[test]
fn a_draft_model_that_says_the_same_is_right_and_saves_steps() {
    for windows in [WHOLE, WINDOWS] {
        for most in [1, 4, 16] {
            let owner = owner_with(windows, 100, LIMITS, Vec::new());
            let mut owner = drafting(owner, 100, 10_000, |_| ());
            let answer = owner.ask_with(1, &prompt(0, 300), 400, guessing(most));
            owner.finish_all();
            let (tokens, _, [drafted, accepted]) = put_out(answer);
            assert_eq!(
                tokens,
                expected_by(next_token, windows, &prompt(0, 300), 400)
            );
            assert!(accepted + 16 >= drafted, "{accepted} of {drafted}");
            assert!(accepted > 400 * most / (most + 2), "{accepted}");
            let load = owner.load.read(0);
            let counted = [load.drafted_tokens, load.accepted_tokens];
            assert_eq!(counted, [drafted as u64, accepted as u64]);
            let by_model = [load.drafted_by_model, load.accepted_by_model];
            assert!(by_model[0] > counted[0] / 2 && by_model[1] > counted[1] / 2);
            assert!(by_model[0] <= counted[0] && by_model[1] <= counted[1]);
            owner.assert_nothing_is_lost();
        }
    }
}

#[test]
fn a_draft_model_that_says_something_else_changes_nothing() {
    for windows in [WHOLE, WINDOWS] {
        let owner = owner_with(windows, 100, LIMITS, Vec::new());
        let mut owner = drafting(owner, 100, 10_000, |draft| draft.next = half_right);
        let answer = owner.ask_with(1, &prompt(0, 100), 300, guessing(8));
        owner.finish_all();
        let (tokens, _, [drafted, accepted]) = put_out(answer);
        assert_eq!(
            tokens,
            expected_by(next_token, windows, &prompt(0, 100), 300)
        );
        assert!(
            accepted > 100 && accepted < drafted * 3 / 4,
            "{accepted} of {drafted}"
        );
        owner.assert_nothing_is_lost();
    }
}

#[test]
fn guesses_are_made_where_they_pay() {
    let asked = |change: fn(&mut Simulated)| {
        let mut owner = with_draft([100, 100], change);
        let answer = owner.ask_with(1, &prompt(0, 40), 500, AUTO);
        owner.finish_all();
        owner.assert_nothing_is_lost();
        let end = completion(answer);
        assert_eq!(end.token_ids, expected(&prompt(0, 40), 500));
        let steps = owner.draft_model.unwrap().model.steps;
        (end.metrics.accepted_tokens, end.metrics.total_s, steps)
    };
    let (accepted, fast, _) = asked(|_| ());
    assert!(accepted > 300, "{accepted}");
    // Where it takes as long as the model, its steps are measured and no more.
    let (_, slow, steps) =
        asked(|draft| draft.takes = |rows| Duration::from_millis(5 + rows as u64));
    assert_eq!(steps, 2);
    assert!(fast < 0.6 * slow, "{fast} {slow}");
    // One that is never right is tried now and then.
    let (_, wrong, steps) = asked(|draft| draft.next = never_right);
    assert!((10..200).contains(&steps), "{steps}");
    assert!(wrong < 1.2 * slow, "{wrong} {slow}");
}

#[test]
fn what_repeats_itself_is_guessed_without_the_draft_model() {
    let asked = |with_model: bool| {
        let mut owner = repeating_owner_with(WHOLE, 100);
        if with_model {
            owner = drafting(owner, 100, 10_000, |draft| {
                draft.next = never_right;
                draft.takes = |rows| Duration::from_millis(2 + rows as u64);
            });
        }
        let answer = owner.ask_with(1, &prompt(0, 40), 300, AUTO);
        owner.finish_all();
        let (tokens, _, [_, accepted]) = put_out(answer);
        assert_eq!(tokens, expected_by(repeating, WHOLE, &prompt(0, 40), 300));
        accepted
    };
    let (with, without) = (asked(true), asked(false));
    assert!(with > without * 9 / 10, "{with} {without}");
}

#[test]
fn the_shares_of_answers_add_up_to_the_time_of_the_machine_with_that_of_the_draft_model() {
    let mut owner = with_draft([100, 100], |draft| draft.next = half_right);
    let start = owner.model.now();
    let asked: Vec<_> = (0..5)
        .map(|i| {
            owner.ask_with(i, &prompt(i as u32, 50), 60, |pending| {
                pending.speculation = match i {
                    0 => Speculation::Off,
                    1 => Speculation::Auto,
                    _ => Speculation::Fixed(3),
                }
            })
        })
        .collect();
    owner.finish_all();
    let took = (owner.model.now() - start).as_secs_f64();
    let metrics: Vec<_> = asked
        .into_iter()
        .map(|answer| completion(answer).metrics)
        .collect();
    let shares: f64 = metrics.iter().map(|metrics| metrics.machine_s).sum();
    assert!((shares - took).abs() < 1e-6, "{shares} of {took}");
    assert!(metrics[2].accepted_tokens > 0);
}

#[test]
fn what_an_answer_would_cost_alone_has_its_draft_steps() {
    let mut owner = with_draft([100, 100], |draft| {
        draft.next = half_right;
        draft.takes = |rows| Duration::from_micros(2000 + 200 * rows as u64);
    });
    // So it is known what steps take without guesses, and a row of a prompt.
    drop(owner.ask(1, &prompt(5, 50), 20));
    let plain = owner.ask(1, &prompt(5, 50), 20);
    owner.finish_all();
    drop(plain);
    for first in [1, 2, 3] {
        let answer = owner.ask_with(1, &prompt(first * 7, 50), 100, guessing(4));
        owner.finish_all();
        let metrics = completion(answer).metrics;
        let [alone, share] = [metrics.usd_alone.unwrap(), metrics.usd_share];
        assert!((alone / share - 1.0).abs() < 0.1, "{alone} {share}");
    }
}

#[test]
fn a_long_prompt_is_read_in_steps_that_readers_do_not_notice() {
    let mut owner = with_draft([1000, 1000], |draft| {
        draft.takes = |rows| Duration::from_micros(500 + 1000 * rows as u64);
    });
    let answer = owner.ask_with(1, &prompt(0, 3000), 200, guessing(4));
    while !owner.is_idle() {
        let before = owner.model.now();
        let decodes = owner.answers.iter().any(|answer| answer.view().decoding);
        assert!(owner.turn());
        let took = owner.model.now() - before;
        assert!(!decodes || took < policy::STEP / 2, "{took:?}");
    }
    let (tokens, _, [_, accepted]) = put_out(answer);
    assert_eq!(tokens, expected(&prompt(0, 3000), 200));
    assert!(accepted > 50, "{accepted}");
}

#[test]
fn a_long_prompt_is_not_read_for_a_short_answer() {
    let mut owner = with_draft([1000, 1000], |draft| {
        draft.takes = |rows| Duration::from_micros(100 + 100 * rows as u64);
    });
    let answer = owner.ask_with(1, &prompt(0, 3000), 10, AUTO);
    owner.finish_all();
    drop(answer);
    // It was measured.
    assert_eq!(owner.draft_model.unwrap().model.steps, 2);
}

#[test]
fn nothing_is_guessed_beyond_the_context_of_the_draft_model() {
    let mut owner = drafting(owner(100, LIMITS, Vec::new()), 100, 150, |_| ());
    let answer = owner.ask_with(1, &prompt(0, 100), 200, guessing(16));
    owner.finish_all();
    let (tokens, _, [_, accepted]) = put_out(answer);
    assert_eq!(tokens, expected(&prompt(0, 100), 200));
    assert!((30..=60).contains(&accepted), "{accepted}");
    assert!(owner.draft_model.unwrap().model.longest <= 150);
}

#[test]
fn an_answer_with_tokens_that_the_draft_model_does_not_know_goes_without() {
    let mut owner = with_draft([100, 100], |draft| draft.known = 50);
    let answer = owner.ask_with(1, &prompt(30, 40), 100, guessing(4));
    owner.finish_all();
    assert_eq!(completion(answer).token_ids, expected(&prompt(30, 40), 100));
    // It was measured.
    assert_eq!(owner.draft_model.unwrap().model.steps, 2);
}

#[test]
fn where_there_is_no_room_an_answer_goes_without_and_nobody_pauses() {
    // Each comes to have six blocks, and the draft model has eight.
    let mut owner = with_draft([100, 8], |_| ());
    let prompts = [1, 2, 3].map(|i| prompt(i * 11, 60));
    let asked: Vec<_> = prompts
        .iter()
        .map(|prompt| owner.ask_with(1, prompt, 120, guessing(6)))
        .collect();
    owner.finish_all();
    assert_eq!(owner.load.read(0).preemptions, 0);
    let mut most = 0;
    for (answer, prompt) in asked.into_iter().zip(&prompts) {
        let (tokens, _, [_, accepted]) = put_out(answer);
        assert_eq!(tokens, expected(prompt, 120));
        most = most.max(accepted);
    }
    assert!(most > 80, "{most}");
    owner.assert_nothing_is_lost();
}

#[test]
fn answers_that_pause_give_back_what_the_draft_model_has_of_them() {
    let mut owner = with_draft([10, 100], |_| ());
    let prompts = [1, 2, 3].map(|i| prompt(i * 11, 60));
    let asked: Vec<_> = prompts
        .iter()
        .map(|prompt| owner.ask_with(1, prompt, 90, guessing(6)))
        .collect();
    while !owner.is_idle() {
        assert!(owner.turn());
        let running = owner.answers.iter().filter(|answer| !answer.is_paused());
        let tokens: usize = running
            .map(|answer| answer.lengths().iter().sum::<usize>() + 16)
            .sum();
        let draft = owner.draft_model.as_ref().unwrap();
        assert!(draft.memory.usage().used <= tokens.div_ceil(32) + 3);
    }
    assert!(owner.load.read(0).preemptions > 0);
    for (answer, prompt) in asked.into_iter().zip(&prompts) {
        let (tokens, _, [_, accepted]) = put_out(answer);
        assert_eq!(tokens, expected(prompt, 90));
        assert!(accepted > 0);
    }
    owner.assert_nothing_is_lost();
}

#[test]
fn a_draft_model_that_panics_guesses_no_more_and_answers_go_on() {
    let mut owner = with_draft([100, 100], |draft| draft.panics = vec![20]);
    let asked = [3, 8].map(|first| owner.ask_with(1, &prompt(first, 40), 120, guessing(4)));
    owner.finish_all();
    assert!(owner.draft_model.is_none());
    assert_eq!(owner.load.read(0).panics, 1);
    for (answer, first) in asked.into_iter().zip([3, 8]) {
        let (tokens, _, [_, accepted]) = put_out(answer);
        assert_eq!(tokens, expected(&prompt(first, 40), 120));
        assert!(accepted > 0);
    }
    owner.assert_nothing_is_lost();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn with_and_without_a_draft_model_every_event_is_the_same_in_any_company(
        asked in asked(),
        blocks in 10u64..40,
        of_draft in 4u64..40,
        context in 20usize..300,
        windows in prop::sample::select(vec![WHOLE, WINDOWS]),
        is_right in any::<bool>(),
    ) {
        let drafting = drafting(repeating_owner_with(windows, blocks), of_draft, context, |draft| {
            if !is_right {
                draft.next = half_right;
            }
        });
        let with = told(drafting, &asked, true);
        prop_assert_eq!(with, told(repeating_owner_with(windows, 100), &asked, false));
    }
}
