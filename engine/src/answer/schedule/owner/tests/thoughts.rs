//! Thoughts that come to their limit: what ends them is put out without being sampled.

use super::*;
use crate::answer::pending::ThoughtLimit;
use crate::text::thoughts::{Marks, ThoughtReader};

impl Owner<Simulated> {
    /// As [`Self::ask`], behind a prompt that has opened a thought of at most so many tokens.
    fn ask_to_think(&self, caller: u64, prompt: &[u32], max_tokens: usize, limit: usize) -> Answer {
        self.ask_with(caller, prompt, max_tokens, |pending| {
            let marks = Marks::named_in("<think>").unwrap();
            pending.thoughts = Some(ThoughtReader::behind("<think>", marks));
            pending.thought_limit = Some(ThoughtLimit {
                tokens: limit,
                end: self.end(),
            });
        })
    }

    /// What ends a thought.
    fn end(&self) -> Vec<u32> {
        self.tokenizer.encode_behind("\n</think>\n\n")
    }

    /// What the model says behind a prompt, by its definition, when a thought is ended after so many tokens.
    fn expected(&self, prompt: &[u32], max_tokens: usize, limit: usize) -> Vec<u32> {
        let thought = [expected(prompt, limit), self.end()].concat();
        let answer = expected(&[prompt, &thought].concat(), max_tokens - thought.len());
        [thought, answer].concat()
    }
}

#[test]
fn a_thought_that_is_ended_is_followed_by_the_same_answer_in_any_company() {
    // Too few blocks for all, so that some are paused and computed again, also within what ends a thought.
    let mut owner = owner(10, LIMITS, Vec::new());
    let asked: Vec<_> = [1, 2, 20, 33, 64]
        .into_iter()
        .map(|limit| {
            let prompt = prompt(limit as u32, 60);
            (owner.ask_to_think(1, &prompt, 120, limit), prompt, limit)
        })
        .collect();
    let plain = owner.ask(2, &prompt(7, 60), 120);
    owner.finish_all();
    assert!(owner.load.read(0).preemptions > 0);
    assert_eq!(completion(plain).token_ids, expected(&prompt(7, 60), 120));
    for (answer, prompt, limit) in asked {
        let completion = completion(answer);
        assert_eq!(completion.token_ids, owner.expected(&prompt, 120, limit));
        let metrics = completion.metrics;
        assert_eq!(metrics.completion_tokens, 120);
        // The blank line behind the mark is no part of it.
        let thought = limit..=limit + owner.end().len();
        assert!(thought.contains(&metrics.thought_tokens));
        assert!(metrics.time_to_first_answer_token_s > metrics.thought_s);
        // What was put out at once has no gaps.
        assert_eq!(metrics.token_gaps_s.len(), 119 - owner.end().len());
    }
    owner.assert_nothing_is_lost();
}

#[test]
fn what_ends_a_thought_counts_as_put_out() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let answer = owner.ask_to_think(1, &prompt(0, 20), 30, 1);
    owner.finish_all();
    let load = owner.load.read(0);
    assert_eq!((load.prompt_tokens, load.output_tokens), (20, 30));
    assert_eq!(completion(answer).token_ids.len(), 30);
}

#[test]
fn a_thought_is_not_ended_where_no_answer_would_have_room() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let most = 10 + owner.end().len();
    let prompt = prompt(0, 20);
    let [without, with] = [most, most + 1].map(|most| owner.ask_to_think(1, &prompt, most, 10));
    owner.finish_all();
    assert_eq!(completion(without).token_ids, expected(&prompt, most));
    let with = completion(with);
    assert_eq!(with.token_ids, owner.expected(&prompt, most + 1, 10));
    assert_eq!(with.finish_reason, FinishReason::Length);
}
