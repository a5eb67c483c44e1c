//! Whose the time of the machine is, and what is learnt of it.

use super::*;

#[test]
fn a_step_that_all_its_readers_stopped_belongs_to_them() {
    let mut owner = owner(100, LIMITS, Vec::new());
    let start = owner.model.now();
    let asked = [1, 2].map(|i| owner.ask(i, &prompt(i as u32, 50), 20));
    // In the midst of a step, which ends without a token then.
    let stoppers = asked.iter().map(Answer::stopper).collect();
    owner.model.stops = Some((5, stoppers));
    owner.finish_all();
    let took = owner.model.now() - start;
    let ends = asked.map(completion);
    assert!(ends.iter().all(|end| end.token_ids.len() == 4));
    let shares: f64 = ends.iter().map(|end| end.metrics.machine_s).sum();
    let off = shares - took.as_secs_f64();
    assert!(off.abs() < 1e-6, "{shares} of {took:?}");
    assert_eq!(owner.load.read(0).busy, took);
}

#[test]
fn what_a_prompt_costs_is_learnt_from_prompts_alone() {
    let mut owner = owner(1000, LIMITS, Vec::new());
    let _first = owner.ask(1, &prompt(0, 100), 1);
    owner.finish_all();
    let row = owner.rates.row().unwrap();
    // Many that decode, each row of which takes ten times as long.
    let many: Vec<_> = (0..20)
        .map(|caller| owner.ask(caller, &prompt(caller as u32, 20), 60))
        .collect();
    while owner.answers.len() < 20 || owner.answers.iter().any(|answer| !answer.view().decoding) {
        assert!(owner.turn());
    }
    let before = owner.rates.row().unwrap();
    owner.model.takes = |rows| Duration::from_millis(10 * rows as u64);
    let running = owner.rates.running();
    for _ in 0..20 {
        assert!(owner.turn());
    }
    assert_eq!(owner.rates.row(), Some(before));
    assert!((before / row - 1.0).abs() < 0.5, "{before} {row}");
    // How many may run follows what decodes.
    assert!(owner.rates.running() < running);
    drop(many);
    owner.finish_all();
}

#[test]
fn a_few_answers_begin_before_it_is_known_how_slow_the_machine_is() {
    let mut owner = owner(1000, LIMITS, Vec::new());
    owner.model.takes = |rows| Duration::from_millis(100 * rows as u64);
    let asked: Vec<_> = (0..64)
        .map(|caller| owner.ask(caller, &prompt(caller as u32 % 50, 20), 2))
        .collect();
    let mut most = 0;
    while !owner.is_idle() {
        assert!(owner.turn());
        most = most.max(owner.answers.len());
    }
    assert_eq!(most, 4);
    asked
        .into_iter()
        .for_each(|answer| drop(completion(answer)));
}
