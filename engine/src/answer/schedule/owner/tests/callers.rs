//! That callers take turns, whatever one of them asks for.

use futures::FutureExt;

use super::*;

#[test]
fn a_caller_with_one_answer_is_not_stopped_by_one_with_many() {
    let mut owner = owner(14, LIMITS, Vec::new());
    let many: Vec<_> = (0..6)
        .map(|i| owner.ask(1, &prompt(i * 7, 60), 120))
        .collect();
    for _ in 0..10 {
        assert!(owner.turn());
    }
    let one = owner.ask(2, &prompt(3, 60), 60);
    let waits = |owner: &Owner<Simulated>| owner.waiting.callers().contains(&Caller(2));
    let runs = |owner: &Owner<Simulated>| {
        owner
            .answers
            .iter()
            .any(|answer| answer.caller() == Caller(2))
    };
    let mut ended = 0;
    while waits(&owner) || runs(&owner) {
        let before = owner.answers.len();
        assert!(owner.turn());
        ended += before.saturating_sub(owner.answers.len());
    }
    assert!(ended <= 2, "{ended} of the six ended before");
    let paused = completion(one).metrics.paused_s;
    assert_eq!(paused.unwrap_or(0.0), 0.0);
    owner.finish_all();
    assert!(owner.load.read(0).preemptions > 0);
    for (i, answer) in (0..).zip(many) {
        assert_eq!(
            completion(answer).token_ids,
            expected(&prompt(i * 7, 60), 120)
        );
    }
    owner.assert_nothing_is_lost();
}

#[test]
fn callers_take_turns_where_one_answer_runs_at_a_time() {
    let mut owner = owner(12, LIMITS, Vec::new());
    let first: Vec<_> = (0..3)
        .map(|i| owner.ask(1, &prompt(i * 7, 250), 60))
        .collect();
    let second = owner.ask(2, &prompt(3, 250), 60);
    let mut order = Vec::new();
    while !owner.is_idle() {
        assert!(owner.turn());
        order.extend(owner.answers.iter().map(|answer| answer.caller().0));
    }
    order.dedup();
    assert_eq!(order, [1, 2, 1]);
    for answer in first.into_iter().chain([second]) {
        completion(answer);
    }
}

#[test]
fn who_cancels_an_answer_takes_nothing_from_what_others_are_counted() {
    let mut owner = owner(1000, LIMITS, Vec::new());
    let _victim = owner.ask(1, &prompt(0, 4000), 5);
    assert!(owner.turn());
    let cancelled = owner.ask(2, &prompt(5, 100), 50);
    let _long = owner.ask(2, &prompt(9, 4000), 5);
    for _ in 0..5 {
        assert!(owner.turn());
    }
    let counted = |owner: &Owner<Simulated>| [1, 2].map(|caller| owner.served.by(Caller(caller)));
    let before = counted(&owner);
    drop(cancelled);
    assert!(owner.turn());
    let after = counted(&owner);
    assert!(
        before
            .iter()
            .zip(after)
            .all(|(before, after)| *before <= after),
        "{before:?} {after:?}"
    );
}

impl Owner<Simulated> {
    /// Whose answers run, in the order in which they began.
    fn running(&self) -> Vec<u64> {
        let running = self.answers.iter().filter(|answer| !answer.is_paused());
        running.map(|answer| answer.caller().0).collect()
    }

    /// Takes so long for a row that two answers may run.
    fn for_two(mut self) -> Self {
        self.model.takes = |rows| Duration::from_millis(150 * rows as u64);
        self.rates.observe(100, false, (self.model.takes)(100));
        assert_eq!(self.rates.running(), 2);
        self
    }
}

fn tokens_so_far(answer: &mut Answer) -> usize {
    let mut count = 0;
    while let Some(Some(event)) = answer.next().now_or_never() {
        count += usize::from(matches!(event, Event::Learned(crate::Learned::PutOut(_))));
    }
    count
}

#[test]
fn nobody_who_waits_is_passed_again_and_again_by_those_who_come() {
    // One at a time.
    let mut owner = owner(12, LIMITS, Vec::new());
    let [first, second] = [0, 9].map(|first| owner.ask(1, &prompt(first, 250), 10));
    let mut others = Vec::new();
    let waits =
        |owner: &Owner<Simulated>, caller| owner.waiting.callers().contains(&Caller(caller));
    while waits(&owner, 1) {
        // Two who come anew as soon as one of them has begun.
        let comers = 2..2 + others.len() as u64;
        let mut waiting = comers.filter(|caller| waits(&owner, *caller)).count();
        while waiting < 2 {
            let caller = 2 + others.len() as u64;
            others.push(owner.ask(caller, &prompt(caller as u32, 250), 10));
            waiting += 1;
        }
        assert!(owner.turn());
        let comers = 2..2 + others.len() as u64;
        let begun = comers.filter(|caller| !waits(&owner, *caller)).count();
        assert!(begun <= 2, "{begun} who came later began before");
    }
    drop(others);
    owner.finish_all();
    assert_eq!(completion(first).token_ids, expected(&prompt(0, 250), 10));
    assert_eq!(completion(second).token_ids, expected(&prompt(9, 250), 10));
}

#[test]
fn a_caller_with_none_soon_has_a_token_where_another_has_all_that_may_run() {
    let mut owner = owner(1000, LIMITS, Vec::new()).for_two();
    let many = [0, 9].map(|first| owner.ask(1, &prompt(first, 20), 1000));
    for _ in 0..10 {
        assert!(owner.turn());
    }
    assert_eq!(owner.running(), [1, 1]);
    let mut one = owner.ask_with(2, &prompt(5, 20), 30, |pending| pending.counts = true);
    for _ in 0..4 {
        assert!(owner.turn());
        assert_eq!(owner.running(), [1, 2]);
    }
    assert!(tokens_so_far(&mut one) > 0);
    // A third gets nothing from those who have one each.
    let other = owner.ask(3, &prompt(7, 20), 5);
    assert!(owner.turn());
    assert_eq!(owner.running(), [1, 2]);
    owner.finish_all();
    assert_eq!(owner.load.read(0).preemptions, 1);
    assert_eq!(completion(one).token_ids, expected(&prompt(5, 20), 30));
    assert_eq!(completion(other).token_ids, expected(&prompt(7, 20), 5));
    for (first, answer) in [0, 9].into_iter().zip(many) {
        let completion = completion(answer);
        assert_eq!(completion.token_ids, expected(&prompt(first, 20), 1000));
        assert_eq!(completion.metrics.paused_s.is_some(), first == 9);
    }
    owner.assert_nothing_is_lost();
}

#[test]
fn an_answer_that_makes_way_gets_on_before_it_does_so_again() {
    let mut owner = owner(1000, LIMITS, Vec::new()).for_two();
    let many = [0, 9].map(|first| owner.ask(1, &prompt(first, 20), 300));
    let mut others = Vec::new();
    let mut turns = 0;
    while !owner.is_idle() {
        // Somebody new comes whenever the caller has both places.
        if owner.running() == [1, 1] && owner.waiting.waiting() == 0 {
            let caller = 2 + others.len() as u64;
            others.push(owner.ask(caller, &prompt(caller as u32 % 50, 20), 1));
        }
        assert!(owner.turn());
        turns += 1;
        assert!(turns < 2000, "somebody waits for ever");
    }
    let pauses = owner.load.read(0).preemptions;
    // Of the 64 tokens that are computed between two of them at most 32 are computed once more.
    assert!((2..=1 + 300 / 32).contains(&pauses), "{pauses}");
    for (first, answer) in [0, 9].into_iter().zip(many) {
        assert_eq!(
            completion(answer).token_ids,
            expected(&prompt(first, 20), 300)
        );
    }
    assert!(others.len() as u64 >= pauses);
    others
        .into_iter()
        .for_each(|answer| drop(completion(answer)));
    owner.assert_nothing_is_lost();
}

#[test]
fn a_caller_with_none_soon_has_a_token_where_another_has_all_memory() {
    // Three answers of four blocks each, and a fourth that waits for what one of them has.
    let mut owner = owner(12, LIMITS, Vec::new());
    let many = [0, 9, 20, 40].map(|first| owner.ask(1, &prompt(first, 100), 60));
    for _ in 0..10 {
        assert!(owner.turn());
    }
    assert_eq!((owner.running(), owner.waiting.waiting()), (vec![1; 3], 1));
    let mut one = owner.ask_with(2, &prompt(30, 60), 30, |pending| pending.counts = true);
    for _ in 0..3 {
        assert!(owner.turn());
        assert_eq!(owner.running(), [1, 1, 2]);
    }
    assert!(tokens_so_far(&mut one) > 0);
    owner.finish_all();
    let one = completion(one);
    assert_eq!(one.token_ids, expected(&prompt(30, 60), 30));
    assert_eq!(one.metrics.paused_s, None);
    for (first, answer) in [0, 9, 20, 40].into_iter().zip(many) {
        let said = completion(answer).token_ids;
        assert_eq!(said, expected(&prompt(first, 100), 60));
    }
    owner.assert_nothing_is_lost();
}

#[test]
fn nobody_makes_way_in_vain_or_with_the_only_answer() {
    let mut owner = owner(12, LIMITS, Vec::new());
    let two = [1, 2].map(|caller| owner.ask(caller, &prompt(caller as u32 * 9, 150), 20));
    for _ in 0..5 {
        assert!(owner.turn());
    }
    // Of two callers each has one.
    let third = owner.ask(3, &prompt(40, 100), 5);
    assert!(owner.turn());
    assert_eq!(owner.running(), [1, 2]);
    drop(two);
    owner.finish_all();
    assert_eq!(completion(third).token_ids, expected(&prompt(40, 100), 5));
    let preemptions = owner.load.read(0).preemptions;
    let three = [2, 25, 33].map(|first| owner.ask(1, &prompt(first, 100), 20));
    for _ in 0..5 {
        assert!(owner.turn());
    }
    // More than two of three have.
    let large = owner.ask(2, &prompt(30, 300), 5);
    assert!(owner.turn());
    assert_eq!(owner.running(), [1; 3]);
    owner.finish_all();
    assert_eq!(owner.load.read(0).preemptions, preemptions);
    assert_eq!(completion(large).token_ids, expected(&prompt(30, 300), 5));
    three
        .into_iter()
        .for_each(|answer| drop(completion(answer)));
    owner.assert_nothing_is_lost();
}

#[test]
fn a_caller_whose_only_answer_is_paused_goes_on_before_another_has_two() {
    let mut owner = owner(12, LIMITS, Vec::new());
    let asked = [(2, 0), (1, 9), (2, 20)].map(|(caller, first)| {
        let prompt = prompt(first, 100);
        (owner.ask(caller, &prompt, 20), prompt)
    });
    for _ in 0..5 {
        assert!(owner.turn());
    }
    assert_eq!(owner.running(), [2, 1, 2]);
    owner.pause(1);
    owner.memory.end_budget(8);
    assert!(owner.turn());
    assert_eq!(owner.running(), [2, 1]);
    owner.finish_all();
    for (answer, prompt) in asked {
        assert_eq!(completion(answer).token_ids, expected(&prompt, 20));
    }
}

#[test]
fn an_answer_that_lost_its_blocks_gets_as_far_again_before_it_makes_way() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let answer = owner.ask(1, &prompt(0, 200), 400);
    let computed = |owner: &Owner<Simulated>| owner.answers[0].computed_tokens().len();
    for _ in 0..10 {
        assert!(owner.turn());
    }
    let before = computed(&owner);
    owner.pause(0);
    let all = owner.memory.usage().blocks * owner.memory.slabs();
    assert!(locked(&owner.prefixes).make_room(&owner.memory, all));
    assert!(owner.turn());
    while !owner.answers[0].view().got_on {
        assert!(owner.turn());
    }
    assert_eq!(computed(&owner), 2 * before);
    owner.finish_all();
    assert_eq!(completion(answer).token_ids, expected(&prompt(0, 200), 400));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn who_has_none_begins_at_once_where_another_has_all_memory_and_everybody_ends(
        many in prop::collection::vec((1usize..150, 1usize..200), 2..8),
        others in prop::collection::vec((1usize..60, 1usize..30, 1usize..150), 1..6),
        // The oldest of the many and the others need 30 together.
        blocks in 30u64..50,
    ) {
        let mut owner = owner(blocks, LIMITS, Vec::new());
        let mut asked = Vec::new();
        for (first, (len, output)) in (0..).zip(&many) {
            let prompt = prompt(6 * first, *len);
            asked.push((owner.ask(0, &prompt, *output), expected(&prompt, *output)));
        }
        let mut turn = 0;
        while turn < 150 || !owner.is_idle() {
            for (caller, (len, output, at)) in (1..).zip(&others) {
                if *at == turn {
                    let prompt = prompt(6 * caller as u32 + 3, *len);
                    asked.push((owner.ask(caller, &prompt, *output), expected(&prompt, *output)));
                }
            }
            let has_paused = owner.load.read(0).preemptions > 0;
            prop_assert!(owner.turn());
            let mut waiting = owner.waiting.callers().into_iter();
            prop_assert!(has_paused || waiting.all(|caller| caller == Caller(0)));
            turn += 1;
            prop_assert!(turn < 10_000, "somebody waits for ever");
        }
        for (answer, expected) in asked {
            prop_assert_eq!(completion(answer).token_ids, expected);
        }
        owner.assert_nothing_is_lost();
    }
}
