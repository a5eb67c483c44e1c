//! What panics outside of steps, and memory that the system does not give.

use super::*;

fn is_broken(answer: Answer) -> bool {
    matches!(events(answer).pop(), Some(Event::Failed(Error::Broken)))
}

impl Owner<Simulated> {
    fn guarded_turn(&mut self) -> bool {
        self.guarded(Self::turn)
    }
}

#[test]
fn a_panic_between_steps_ends_what_runs_and_those_who_wait_go_on() {
    // One at a time.
    let mut owner = owner(12, LIMITS, Vec::new());
    let runs = owner.ask(1, &prompt(0, 250), 50);
    assert!(owner.guarded_turn());
    let [begins, waits] = [2, 3].map(|caller| owner.ask(caller, &prompt(5, 250), 9));
    let late = owner.model.now() + Duration::from_secs(61);
    // Where the first ends.
    runs.stopper().stop();
    owner.model.breaks.set(1);
    assert!(owner.guarded_turn());
    assert!(is_broken(runs));
    // Where the second begins, more than a minute later.
    owner.model.now.set(late);
    owner.model.breaks.set(1);
    assert!(owner.guarded_turn());
    assert!(is_broken(begins));
    assert_eq!(owner.load.read(0).panics, 2);
    owner.finish_all();
    assert_eq!(completion(waits).token_ids, expected(&prompt(5, 250), 9));
    owner.assert_nothing_is_lost();
}

#[test]
fn two_panics_between_steps_within_a_minute_end_the_loop_and_all_are_told() {
    let owner = owner(12, LIMITS, Vec::new());
    let [first, second, third] = [1, 2, 3].map(|caller| owner.ask(caller, &prompt(0, 250), 9));
    owner.model.breaks.set(2);
    let (waiting, load) = (Arc::clone(&owner.waiting), Arc::clone(&owner.load));
    owner.run();
    assert!(is_broken(first) && is_broken(second));
    assert!(matches!(
        events(third)[..],
        [.., Event::Failed(Error::Ending)]
    ));
    assert_eq!((waiting.waiting(), load.read(0).panics), (0, 2));
}

#[test]
fn when_the_thread_has_died_all_are_told_and_nobody_is_let_in() {
    let (sender, begun) = mpsc::channel();
    let thread = thread::spawn(move || {
        let owner = owner(12, LIMITS, vec![1, 2]);
        let answers = [1, 2, 3].map(|caller| owner.ask(caller, &prompt(0, 250), 9));
        let shared = Shared {
            waiting: Arc::clone(&owner.waiting),
            shutdown: Arc::clone(&owner.shutdown),
            load: Arc::clone(&owner.load),
            prefixes: Arc::clone(&owner.prefixes),
            disk: None,
            rates: Arc::clone(&owner.shown_rates),
        };
        sender
            .send((shared, Arc::clone(&owner.rope), answers))
            .unwrap();
        owner.run();
    });
    let (shared, rope, answers) = begun.recv().unwrap();
    let scheduler = Scheduler {
        shared,
        rope,
        owner: Some(thread),
    };
    let [first, second, third] = answers;
    assert!(is_broken(first) && is_broken(second));
    assert!(matches!(
        events(third)[..],
        [.., Event::Failed(Error::Ending)]
    ));
    while scheduler.is_alive() {
        thread::yield_now();
    }
    let refused = scheduler.reserve(Caller(4)).map(drop);
    assert!(matches!(refused, Err(Error::Stopped)));
    assert_eq!(scheduler.load().panics, 2);
}

#[test]
fn an_answer_for_which_the_system_gives_no_memory_ends_and_others_go_on() {
    let mut owner = owner(20, LIMITS, Vec::new());
    // Its first step fills four blocks.
    let long = owner.ask(1, &prompt(0, 250), 10);
    assert!(owner.turn());
    owner.memory.end_budget(4);
    assert!(owner.turn());
    let failed = events(long).pop();
    assert!(matches!(
        failed,
        Some(Event::Failed(Error::TooLittleMemory {
            tokens: 250,
            room: 128
        }))
    ));
    let short = owner.ask(1, &prompt(0, 50), 10);
    owner.finish_all();
    assert_eq!(completion(short).token_ids, expected(&prompt(0, 50), 10));
    let load = owner.load.read(0);
    assert_eq!((load.panics, load.kv_blocks), (1, 4));
    owner.assert_nothing_is_lost();
}
