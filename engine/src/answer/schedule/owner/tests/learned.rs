//! What is read of whole prompts, and prompts that several answers share, in a crowd and with too little memory.

use super::simulated::{key, logits_of, next_token};
use super::*;
use crate::Learned;
use crate::answer::rows::{Pooling, PromptRows};
use crate::answer::siblings::Siblings;

/// Which tokens of a prompt were certain behind those before them, by their places, as the engine tells and as is right.
fn certain(events: &[Event], prompt: &[u32]) -> (Vec<usize>, Vec<usize>) {
    let read = events.iter().find_map(|event| match event {
        Event::Learned(Learned::Prompt(read)) => Some(read),
        _ => None,
    });
    let read = read.expect("the prompt was read");
    assert_eq!((read.first, read.rest.len()), (prompt[0], prompt.len() - 1));
    let tokens = read.rest.iter().map(|token| token.chosen.token);
    assert_eq!(tokens.collect::<Vec<_>>(), prompt[1..]);
    let likely = |at: &usize| read.rest[at - 1].chosen.logprob > -1.0;
    let found = (1..prompt.len()).filter(likely).collect();
    let is_next = |at: &usize| expected(&prompt[..*at], 1)[0] == prompt[*at];
    (found, (1..prompt.len()).filter(is_next).collect())
}

/// A prompt whose every third token is what the model would have said.
fn half_expected(first: u32, len: usize) -> Vec<u32> {
    let mut tokens = prompt(first, 3);
    while tokens.len() < len {
        let next = match tokens.len() % 3 {
            0 => expected(&tokens, 1)[0],
            _ => 10 + (tokens.len() as u32 * 7 + first) % 50,
        };
        tokens.push(next);
    }
    tokens
}

fn scored(owner: &Owner<Simulated>, prompt: &[u32], max_tokens: usize) -> Answer {
    owner.ask_with(1, prompt, max_tokens, |pending| {
        pending.rows = Some(PromptRows::scores(prompt, 0));
    })
}

#[test]
fn a_fresh_answer_computes_what_is_kept_and_gives_the_same() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let tokens = half_expected(1, 150);
    for (fresh, all) in [(false, true), (false, false), (true, true)] {
        let answer = owner.ask_with(1, &tokens, 5, |pending| pending.fresh = fresh);
        owner.finish_all();
        let events = events(answer);
        let Some(Event::Finished(end)) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(end.cached_tokens == 0, all, "{fresh}");
        assert_eq!(end.token_ids, expected(&tokens, 5));
    }
}

#[test]
fn prompts_are_read_whole_whatever_is_kept_of_them() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let tokens = half_expected(1, 150);
    let kept = owner.ask(1, &tokens, 5);
    owner.finish_all();
    drop(kept);
    let answer = scored(&owner, &tokens, 5);
    owner.finish_all();
    let events = events(answer);
    let (found, right) = certain(&events, &tokens);
    assert!(found.len() > 40);
    assert_eq!(found, right);
    let Some(Event::Finished(end)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(end.cached_tokens, 0);
    assert_eq!(end.token_ids, expected(&tokens, 5));
}

#[test]
fn a_prompt_that_is_paused_is_read_once_and_right() {
    // Blocks for the prompt and for one of each answer beside it, which soon need a second and a third.
    let mut owner = owner(20, LIMITS, Vec::new());
    let beside = [1, 2, 3, 4].map(|first| owner.ask(2, &prompt(first * 9, 31), 40));
    assert!(owner.turn());
    let tokens = half_expected(7, 500);
    let answer = scored(&owner, &tokens, 0);
    owner.finish_all();
    assert!(owner.load.read(0).preemptions > 0);
    let events = events(answer);
    let (found, right) = certain(&events, &tokens);
    assert!(found.len() > 100);
    assert_eq!(found, right);
    let told = events
        .iter()
        .filter(|event| matches!(event, Event::Learned(_)));
    assert_eq!(told.count(), 1);
    for (first, answer) in [1, 2, 3, 4].into_iter().zip(beside) {
        assert_eq!(
            completion(answer).token_ids,
            expected(&prompt(first * 9, 31), 40)
        );
    }
    owner.assert_nothing_is_lost();
}

#[test]
fn a_prompt_without_an_answer_ends_when_it_is_read() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let tokens = prompt(3, 70);
    let beside = owner.ask(2, &prompt(9, 30), 20);
    let answer = owner.ask_with(1, &tokens, 0, |pending| {
        pending.rows = Some(PromptRows::pooled(&tokens, Pooling::Last));
    });
    owner.finish_all();
    let events = events(answer);
    let [
        ..,
        Event::Learned(Learned::Embedding(state)),
        Event::Finished(end),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    // The simulated model has logits for states.
    let keys = tokens.iter().enumerate();
    let sum = keys.map(|(at, token)| key(*token, at)).sum();
    let last = logits_of(next_token(sum, 0));
    assert_eq!(*state, last.collect::<Vec<_>>());
    assert_eq!(
        (end.finish_reason, end.token_ids.len()),
        (FinishReason::Length, 0)
    );
    assert_eq!(completion(beside).token_ids, expected(&prompt(9, 30), 20));
    let load = owner.load.read(0);
    assert_eq!((load.prompt_tokens, load.output_tokens), (100, 20));
    owner.assert_nothing_is_lost();
}

/// Answers of siblings to one prompt.
fn siblings(owner: &Owner<Simulated>, prompt: &[u32], count: usize) -> Vec<Answer> {
    let siblings = Siblings::default();
    let ask = |_| {
        owner.ask_with(1, prompt, 20, |pending| {
            pending.lead = siblings.lead();
            let is_led = pending.lead.is_none();
            pending.behind = is_led.then(|| siblings.clone());
        })
    };
    (0..count).map(ask).collect()
}

#[test]
fn siblings_read_their_prompt_once() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let tokens = prompt(3, 77);
    let asked = siblings(&owner, &tokens, 4);
    let other = owner.ask(2, &prompt(20, 50), 20);
    owner.finish_all();
    let cached: Vec<_> = asked
        .into_iter()
        .map(|answer| {
            let completion = completion(answer);
            assert_eq!(completion.token_ids, expected(&tokens, 20));
            completion.cached_tokens
        })
        .collect();
    assert_eq!(cached, [0, 76, 76, 76]);
    assert_eq!(completion(other).token_ids, expected(&prompt(20, 50), 20));
    owner.assert_nothing_is_lost();
}

#[test]
fn siblings_go_on_without_the_first_that_leaves() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let tokens = prompt(3, 400);
    for turns in [0, 1] {
        let mut asked = siblings(&owner, &tokens, 3);
        for _ in 0..turns {
            assert!(owner.turn());
        }
        drop(asked.remove(0));
        owner.finish_all();
        for answer in asked {
            assert_eq!(completion(answer).token_ids, expected(&tokens, 20));
        }
    }
    owner.assert_nothing_is_lost();
}
