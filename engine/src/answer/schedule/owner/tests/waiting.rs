//! Those who wait, those who leave, and limits of time.

use super::*;

#[test]
fn readers_that_leave_free_their_place_and_their_blocks_at_once() {
    let mut owner = owner(100, Limits { queue: 2, ..LIMITS }, Vec::new());
    let waiting = [
        owner.ask(1, &prompt(0, 9), 9),
        owner.ask(1, &prompt(1, 9), 9),
    ];
    assert!(matches!(
        owner.waiting.reserve(Caller(1)).map(drop),
        Err(Error::Busy {
            waiting: 2,
            limit: 2,
            ..
        })
    ));
    drop(waiting);
    let long = owner.ask(2, &prompt(2, 900), 9);
    assert!(owner.turn());
    assert!(!owner.answers.is_empty());
    drop(long);
    assert!(owner.turn());
    owner.assert_nothing_is_lost();
}

#[test]
fn those_who_wait_while_the_engine_ends_are_told_so() {
    let owner = owner(100, LIMITS, Vec::new());
    let waiting = owner.ask(1, &prompt(0, 10), 10);
    fail_all(owner.waiting.close());
    assert!(matches!(
        events(waiting)[..],
        [Event::Failed(Error::Ending)]
    ));
    assert!(matches!(
        owner.waiting.reserve(Caller(1)),
        Err(Error::Ending)
    ));
}

#[test]
fn what_takes_too_long_ends_with_the_limit() {
    let limits = Limits {
        total: Some(Duration::from_millis(500)),
        wait: Some(Duration::from_millis(300)),
        ..LIMITS
    };
    let mut owner = owner(100, limits, Vec::new());
    let late = owner.ask(1, &prompt(0, 10), 1000);
    owner.finish_all();
    let ended = events(late).pop();
    assert!(
        matches!(ended, Some(Event::Failed(Error::TooLate { limit, .. })) if limit.as_millis() == 500)
    );
    let waited = owner.ask(1, &prompt(0, 10), 10);
    owner
        .model
        .now
        .set(owner.model.now() + Duration::from_millis(301));
    owner.finish_all();
    let ended = events(waited).pop();
    assert!(
        matches!(ended, Some(Event::Failed(Error::WaitedTooLong { limit })) if limit.as_millis() == 300)
    );
}

#[test]
fn the_limit_of_the_whole_time_ends_those_too_who_wait() {
    let limits = Limits {
        total: Some(Duration::from_millis(500)),
        ..LIMITS
    };
    let mut owner = owner(100, limits, Vec::new());
    let waits = owner.ask(1, &prompt(0, 10), 10);
    let later = owner.model.now() + Duration::from_millis(501);
    owner.model.now.set(later);
    assert!(owner.turn());
    assert_eq!(owner.model.steps, 0);
    assert!(matches!(
        events(waits).pop(),
        Some(Event::Failed(Error::TooLate { spent: None, .. }))
    ));
}

#[test]
fn an_answer_whose_time_runs_out_tells_what_it_took_however_far_it_is() {
    let limits = Limits {
        total: Some(Duration::from_secs(2)),
        ..LIMITS
    };
    let mut owner = owner(200, limits, Vec::new());
    let start = owner.model.now();
    // The last has a prompt that is not read by then.
    let asked = [(0, 50), (9, 50), (20, 4000)].map(|(first, len)| {
        let prompt = prompt(first, len);
        (owner.ask(first.into(), &prompt, 1000), prompt)
    });
    for _ in 0..3 {
        assert!(owner.turn());
    }
    owner.pause(1);
    // So slow that one may run, and none that is paused goes on.
    for _ in 0..50 {
        owner.rates.observe(100, true, Duration::from_secs(200));
    }
    owner.finish_all();
    let took = (owner.model.now() - start).as_secs_f64();
    let spent = asked.map(|(answer, prompt)| match events(answer).pop() {
        Some(Event::Failed(Error::TooLate {
            spent: Some(spent), ..
        })) => {
            assert_eq!(spent.prompt_tokens, prompt.len());
            assert_eq!(spent.token_ids, expected(&prompt, spent.token_ids.len()));
            assert!(spent.metrics.usd_share > 0.0);
            spent
        }
        other => panic!("an answer ended with {other:?}"),
    });
    let shares: f64 = spent.iter().map(|spent| spent.metrics.machine_s).sum();
    assert!((shares - took).abs() < 1e-6, "{shares} of {took}");
    let [decodes, paused, reads] = spent.map(|spent| (spent.token_ids.len(), spent.metrics));
    assert!(decodes.0 > 10 && decodes.1.paused_s.is_none());
    assert!(paused.0 == 3 && paused.1.paused_s.is_some_and(|paused| paused > 1.0));
    assert!(reads.0 == 0 && reads.1.prefill_s.is_none());
    owner.assert_nothing_is_lost();
}

#[test]
fn one_caller_keeps_nobody_else_out_and_learns_when_to_come_back() {
    let mut owner = owner(12, Limits { queue: 8, ..LIMITS }, Vec::new());
    // So that it is known how long an answer takes, and nobody else has room beside the one that runs.
    let _done = owner.ask(1, &prompt(0, 10), 10);
    owner.finish_all();
    let _runs = owner.ask(1, &prompt(0, 350), 20);
    assert!(owner.turn());
    let waiting = [(); 8].map(|()| owner.ask(1, &prompt(5, 250), 9));
    let refused = |owner: &Owner<Simulated>, caller| match owner.waiting.reserve(Caller(caller)) {
        Err(Error::Busy { wait, .. }) => wait.unwrap(),
        other => panic!("{other:?}"),
    };
    owner
        .model
        .now
        .set(owner.model.now() + reporting::TELL_EVERY);
    assert!(owner.turn());
    let wait = refused(&owner, 1);
    assert!(!wait.is_zero());
    let _others = [2, 3].map(|caller| owner.ask(caller, &prompt(5, 250), 9));
    // Of ten that wait three have to be taken before there is one of eight places.
    assert_eq!((refused(&owner, 4), refused(&owner, 1)), (wait, wait * 3));
    drop(waiting);
    owner.ask(1, &prompt(5, 250), 9);
}

#[test]
fn those_who_wait_are_told_how_many_are_before_them() {
    let mut owner = owner(12, LIMITS, Vec::new());
    let first = owner.ask(1, &prompt(0, 250), 40);
    let waiting = owner.ask(1, &prompt(5, 250), 40);
    let other = owner.ask(2, &prompt(5, 250), 40);
    owner.finish_all();
    let places = |answer| {
        let events = events(answer).into_iter();
        let places = events.filter_map(|event| match event {
            Event::Queued { before, .. } => Some(before),
            _ => None,
        });
        places.collect::<Vec<_>>()
    };
    assert!(places(first).is_empty());
    // The second caller has had no turn yet.
    assert_eq!((places(other), places(waiting)), (vec![0], vec![1]));
}

#[test]
fn those_who_wait_learn_how_far_the_answers_are_that_run() {
    let mut owner = owner(12, LIMITS, Vec::new());
    owner.model.takes = |_| Duration::from_millis(400);
    // So that it is known how long an answer takes: 40 s.
    let _done = owner.ask(1, &prompt(0, 20), 100);
    owner.finish_all();
    let _runs = owner.ask(1, &prompt(5, 250), 100);
    assert!(owner.turn());
    let waits = owner.ask(2, &prompt(9, 250), 5);
    for _ in 0..90 {
        assert!(owner.turn());
    }
    assert_eq!(owner.waiting.waiting(), 1);
    waits.stopper().stop();
    owner.finish_all();
    let told = events(waits).into_iter().filter_map(|event| match event {
        Event::Queued { before, seconds } => Some((before, seconds.unwrap())),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert!(told.iter().all(|(before, _)| *before == 0));
    assert!(
        told.is_sorted_by(|(_, earlier), (_, later)| later + 5.0 <= *earlier),
        "{told:?}"
    );
    let [(_, first), .., (_, last)] = told[..] else {
        panic!("{told:?}");
    };
    assert!(first > 30.0 && last < 10.0, "{told:?}");
}

#[test]
fn an_answer_that_was_stopped_keeps_nobody_out() {
    let mut owner = owner(100, Limits { queue: 2, ..LIMITS }, Vec::new());
    let waiting = [0, 1].map(|first| owner.ask(1, &prompt(first, 9), 9));
    assert!(owner.waiting.reserve(Caller(1)).is_err());
    waiting[0].stopper().stop();
    let other = owner.ask(1, &prompt(2, 9), 9);
    assert!(owner.waiting.reserve(Caller(1)).is_err());
    owner.finish_all();
    let [stopped, waited] = waiting.map(completion);
    assert_eq!(stopped.finish_reason, FinishReason::Cancelled);
    for (answer, first) in [(waited, 1), (completion(other), 2)] {
        assert_eq!(answer.token_ids, expected(&prompt(first, 9), 9));
    }
}
