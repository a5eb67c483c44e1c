//! That callers take turns, whatever one of them asks for.

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
