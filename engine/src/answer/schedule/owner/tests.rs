//! The loop with a model that is [`simulated`]: an answer is right only where all its blocks are its own.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures::StreamExt;
use futures::executor::block_on;
use proptest::prelude::*;

use super::*;
use crate::answer::pending::PendingAnswer;
use crate::answer::policy::Caller;
use crate::answer::schedule::Scheduler;
use crate::{Answer, Completion, Event, Sampling, Speculation};

mod callers;
mod disk;
mod draft_model;
mod learned;
mod recovery;
mod simulated;
mod speculation;
mod thoughts;
mod time;
mod waiting;

use self::simulated::{Simulated, expected, owner};

const LIMITS: Limits = Limits {
    queue: 1000,
    kv_bytes: 0,
    wait: None,
    total: None,
};

impl Owner<Simulated> {
    fn ask(&self, caller: u64, prompt: &[u32], max_tokens: usize) -> Answer {
        self.ask_with(caller, prompt, max_tokens, |_| ())
    }

    fn ask_with(
        &self,
        caller: u64,
        prompt: &[u32],
        max_tokens: usize,
        change: impl FnOnce(&mut PendingAnswer),
    ) -> Answer {
        let now = self.model.now();
        let (mut pending, answer) = PendingAnswer::asked(Caller(caller), prompt, max_tokens, now);
        change(&mut pending);
        let place = self.waiting.reserve(Caller(caller)).unwrap();
        place.fill(pending).unwrap();
        answer
    }

    fn is_idle(&self) -> bool {
        self.answers.is_empty() && self.waiting.waiting() == 0
    }

    fn finish_all(&mut self) {
        while !self.is_idle() {
            assert!(self.turn());
        }
    }

    /// Blocks that neither an answer nor a prompt to come has.
    fn assert_nothing_is_lost(&mut self) {
        assert!(self.is_idle());
        let all = self.memory.usage().blocks * self.memory.slabs();
        assert!(locked(&self.prefixes).make_room(&self.memory, all));
        assert_eq!(self.memory.usage().used, 0);
        if let Some(draft) = &self.draft_model {
            assert_eq!(draft.memory.usage().used, 0);
        }
    }
}

fn events(answer: Answer) -> Vec<Event> {
    block_on(answer.collect())
}

fn completion(answer: Answer) -> Completion {
    let last = events(answer).pop();
    match last {
        Some(Event::Finished(completion)) => completion,
        other => panic!("an answer ended with {other:?}"),
    }
}

fn prompt(first: u32, len: usize) -> Vec<u32> {
    (0..len as u32).map(|i| 10 + (first + i) % 50).collect()
}

#[test]
fn answers_that_run_together_are_those_computed_alone() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let asked: Vec<_> = (0..8)
        .map(|i| {
            let prompt = prompt(i, 20 + 40 * i as usize);
            (owner.ask(u64::from(i % 3), &prompt, 30), prompt)
        })
        .collect();
    owner.finish_all();
    for (answer, prompt) in asked {
        let completion = completion(answer);
        assert_eq!(completion.token_ids, expected(&prompt, 30));
        assert!(completion.metrics.beside > 1.0);
    }
    owner.assert_nothing_is_lost();
}

#[test]
fn the_shares_of_answers_add_up_to_the_time_of_the_machine() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let start = owner.model.now();
    let asked: Vec<_> = (0..5)
        .map(|i| owner.ask(i, &prompt(i as u32, 50), 20))
        .collect();
    owner.finish_all();
    let took = (owner.model.now() - start).as_secs_f64();
    let shares: f64 = asked
        .into_iter()
        .map(|answer| completion(answer).metrics.machine_s)
        .sum();
    assert!((shares - took).abs() < 1e-6, "{shares} of {took}");
}

#[test]
fn an_answer_in_company_knows_what_it_would_have_cost_alone() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let alone = owner.ask(1, &prompt(0, 50), 20);
    owner.finish_all();
    let alone = completion(alone).metrics;
    // A model of steps that take the same time for each row, but for a part that all rows share.
    let together = [1, 2, 3].map(|first| owner.ask(1, &prompt(first, 50), 20));
    owner.finish_all();
    for answer in together {
        let metrics = completion(answer).metrics;
        let expected = metrics.usd_alone.unwrap();
        assert!((expected / alone.usd_share - 1.0).abs() < 0.1, "{expected}");
        assert!(metrics.usd_share < expected);
    }
}

#[test]
fn a_second_turn_finds_the_first_also_after_another_persons() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let first = prompt(1, 200);
    let answer = owner.ask(1, &first, 10);
    owner.finish_all();
    let said = completion(answer).token_ids;
    let other = owner.ask(2, &prompt(30, 300), 10);
    owner.finish_all();
    assert_eq!(completion(other).cached_tokens, 0);
    let second = [first, said, prompt(7, 20)].concat();
    let answer = owner.ask(1, &second, 10);
    owner.finish_all();
    let completion = completion(answer);
    // All but the last token put out, which was never computed.
    assert_eq!(completion.cached_tokens, 209);
    assert_eq!(completion.token_ids, expected(&second, 10));
    let load = owner.load.read(0);
    assert_eq!(
        (load.prefix_queries, load.prefix_hits),
        (200 + 300 + 230, 209)
    );
}

#[test]
fn tokens_are_counted_while_their_answers_run() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let _first = owner.ask(1, &prompt(0, 20), 10);
    let _second = owner.ask(2, &prompt(5, 30), 10);
    let mut counted = Vec::new();
    for _ in 0..3 {
        assert!(owner.turn());
        let load = owner.load.read(0);
        counted.push((load.prompt_tokens, load.output_tokens));
    }
    assert_eq!(counted, [(50, 2), (50, 4), (50, 6)]);
}

#[test]
fn whoever_watches_waits_for_no_lock_of_the_loop() {
    let owner = owner(100, LIMITS, Vec::new());
    let _waiting = owner.ask(1, &prompt(0, 20), 10);
    let scheduler = Arc::new(Scheduler {
        shared: Shared {
            waiting: Arc::clone(&owner.waiting),
            shutdown: Arc::clone(&owner.shutdown),
            load: Arc::clone(&owner.load),
            prefixes: Arc::clone(&owner.prefixes),
            disk: None,
            rates: Arc::clone(&owner.shown_rates),
        },
        rope: Arc::clone(&owner.rope),
        owner: None,
    });
    let (sender, read) = mpsc::channel();
    let watched = Arc::clone(&scheduler);
    // The list asks with its lock held, and the loop holds that of the prefixes meanwhile.
    let prefixes = locked(&owner.prefixes);
    owner.waiting.take(
        |_| true,
        |_| {
            thread::spawn(move || sender.send(watched.load()).unwrap());
            let load = read.recv_timeout(Duration::from_secs(10));
            assert_eq!(load.map(|load| load.waiting), Ok(1));
            false
        },
    );
    drop(prefixes);
}

#[test]
fn an_answer_that_is_paused_goes_on_with_the_same_tokens() {
    // Ten blocks for three answers that come to have five each.
    let mut owner = owner(10, LIMITS, Vec::new());
    let prompts = [1, 2, 3].map(|i| prompt(i * 11, 60));
    let asked: Vec<_> = prompts
        .iter()
        .map(|prompt| owner.ask(1, prompt, 90))
        .collect();
    owner.finish_all();
    assert!(owner.load.read(0).preemptions > 0);
    let mut paused_s = 0.0;
    for (answer, prompt) in asked.into_iter().zip(&prompts) {
        let completion = completion(answer);
        assert_eq!(completion.token_ids, expected(prompt, 90));
        let metrics = completion.metrics;
        assert!(metrics.throttled_s.is_some_and(|throttled| throttled > 0.0));
        let paused = metrics.paused_s.unwrap_or(0.0);
        assert!(paused < metrics.total_s - metrics.queued_s);
        paused_s += paused;
    }
    assert!(paused_s > 0.0);
    owner.assert_nothing_is_lost();
}

#[test]
fn what_a_prompt_took_stays_when_it_is_computed_again_after_a_pause() {
    let mut owner = owner(10, LIMITS, Vec::new());
    let asked: Vec<_> = (1..4)
        .map(|i| owner.ask(i.into(), &prompt(i * 11, 60), 90))
        .collect();
    owner.finish_all();
    assert!(owner.load.read(0).preemptions > 0);
    for answer in asked {
        let events = events(answer);
        let is_text = |event: &Event| matches!(event, Event::Text(_));
        let texts = events.iter().skip_while(|event| !is_text(event));
        assert!(
            texts
                .into_iter()
                .all(|event| !matches!(event, Event::Prefill { .. }))
        );
        let Some(Event::Finished(Completion { metrics, .. })) = events.last() else {
            panic!("it ended with {:?}", events.last());
        };
        assert!(
            metrics.prefill_s <= metrics.time_to_first_token_s,
            "{metrics:?}"
        );
    }
}

#[test]
fn one_long_prompt_does_not_stop_answers_that_decode() {
    let mut owner = owner(1000, LIMITS, Vec::new());
    let short = owner.ask(1, &prompt(0, 10), 60);
    assert!(owner.turn());
    let long = owner.ask(2, &prompt(3, 4000), 5);
    let mut pauses = Vec::new();
    while owner
        .answers
        .iter()
        .any(|answer| answer.caller() == Caller(1))
    {
        let before = owner.model.now();
        assert!(owner.turn());
        pauses.push(owner.model.now() - before);
    }
    assert!(
        pauses.iter().all(|pause| *pause < policy::STEP),
        "{pauses:?}"
    );
    assert_eq!(completion(short).token_ids.len(), 60);
    owner.finish_all();
    assert_eq!(completion(long).token_ids, expected(&prompt(3, 4000), 5));
}

#[test]
fn a_step_that_panics_ends_its_answers_and_no_others() {
    let mut owner = owner(100, LIMITS, vec![2]);
    let broken = owner.ask(1, &prompt(0, 10), 10);
    assert!(owner.turn() && owner.turn());
    let sound = owner.ask(1, &prompt(0, 10), 10);
    owner.finish_all();
    assert!(matches!(
        events(broken).pop(),
        Some(Event::Failed(Error::Broken))
    ));
    assert_eq!(completion(sound).token_ids, expected(&prompt(0, 10), 10));
    owner.assert_nothing_is_lost();
}

#[test]
fn a_second_panic_within_a_minute_ends_the_loop() {
    let mut owner = owner(100, LIMITS, vec![1, 2]);
    let _first = owner.ask(1, &prompt(0, 10), 10);
    assert!(owner.turn());
    let _second = owner.ask(1, &prompt(0, 10), 10);
    assert!(!owner.turn());
}

/// Who asks for what, when, and whether and when the reader leaves.
type Asked = (u64, (u32, usize), usize, usize, Option<usize>);

fn requests() -> impl Strategy<Value = Vec<Asked>> {
    let prompt = (0u32..3, 1usize..200);
    let request = (
        0u64..4,
        prompt,
        1usize..60,
        0usize..60,
        prop::option::of(0usize..60),
    );
    prop::collection::vec(request, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn in_any_company_every_answer_is_the_one_computed_alone(
        requests in requests(),
        blocks in 10u64..40,
        panics in prop::option::of(1usize..80),
    ) {
        let mut owner = owner(blocks, LIMITS, panics.into_iter().collect());
        let budget = owner.memory.usage().blocks;
        let mut answers: Vec<Option<Answer>> = requests.iter().map(|_| None).collect();
        let last = requests.iter().map(|(.., at, leaves)| at + leaves.unwrap_or(0)).max().unwrap_or(0);
        let mut turn = 0;
        while turn <= last || !owner.is_idle() {
            for (index, (caller, (first, len), output, at, leaves)) in requests.iter().enumerate() {
                if *at == turn {
                    answers[index] = Some(owner.ask(*caller, &prompt(*first, *len), *output));
                }
                if leaves.is_some_and(|leaves| at + leaves == turn) {
                    answers[index] = None;
                }
            }
            prop_assert!(owner.turn());
            prop_assert!(owner.memory.usage().used <= budget);
            prop_assert!(owner.model.most_rows <= PREFILL_AND_ANSWERS);
            turn += 1;
            prop_assert!(turn < 20_000, "somebody waits for ever");
        }
        for ((_, (first, len), output, _, leaves), answer) in requests.iter().zip(answers) {
            let Some(answer) = answer.filter(|_| leaves.is_none()) else {
                continue;
            };
            match events(answer).pop() {
                Some(Event::Finished(completion)) => {
                    prop_assert_eq!(completion.token_ids, expected(&prompt(*first, *len), *output));
                }
                Some(Event::Failed(Error::Broken)) => prop_assert!(panics.is_some()),
                other => prop_assert!(false, "ended with {:?}", other),
            }
        }
        owner.assert_nothing_is_lost();
    }
}

/// What a step may hold.
const PREFILL_AND_ANSWERS: usize =
    crate::model::forward::PREFILL_CHUNK + crate::model::capacity::ANSWERS;

#[test]
fn the_same_prompt_of_several_takes_its_blocks_once() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let asked: Vec<_> = (0..6)
        .map(|caller| owner.ask(caller, &prompt(0, 250), 50))
        .collect();
    let mut most = 0;
    while !owner.is_idle() {
        assert!(owner.turn());
        most = most.max(owner.memory.usage().used);
    }
    for answer in asked {
        assert_eq!(completion(answer).token_ids, expected(&prompt(0, 250), 50));
    }
    // Ten blocks, and of each of the six one that it writes.
    assert!(most <= 10 + 6, "{most}");
    owner.assert_nothing_is_lost();
}
