use futures::StreamExt;
use futures::executor::block_on;
use proptest::prelude::*;

use super::*;
use crate::Answer;

fn ask(list: &Arc<WaitingList>, caller: u64) -> Answer {
    let (pending, answer) = PendingAnswer::asked(Caller(caller), &[1], 1, Instant::now());
    list.reserve(Caller(caller)).unwrap().fill(pending).unwrap();
    answer
}

#[test]
fn an_estimate_is_told_when_it_appears_and_when_it_has_moved() {
    let list = WaitingList::new(9);
    let answer = ask(&list, 1);
    for first_s in [
        None,
        None,
        Some(60.0),
        Some(49.0),
        Some(48.0),
        Some(8.0),
        Some(4.0),
        Some(2.9),
    ] {
        list.tell(first_s.map(|first_s| Estimate {
            first_s,
            each_s: 100.0,
        }));
    }
    drop(list);
    let told: Vec<_> = block_on(answer.collect::<Vec<_>>())
        .into_iter()
        .map(|event| match event {
            Event::Queued { before: 0, seconds } => seconds,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [None, Some(60.0), Some(48.0), Some(8.0), Some(2.9)]);
}

#[test]
fn who_cannot_be_looked_at_leaves_the_list_and_is_told() {
    let list = WaitingList::new(9);
    let answers = [1, 2].map(|caller| ask(&list, caller));
    let looked = || list.take(|_| true, |_| panic!("what is asked for is to panic"));
    assert!(catch_unwind(AssertUnwindSafe(looked)).is_err());
    let taken = list.take(|_| true, |_| true).unwrap();
    assert_eq!((taken.caller, list.waiting()), (Caller(2), 0));
    drop(taken);
    let [first, second] = answers.map(|answer| block_on(answer.collect::<Vec<_>>()));
    assert!(matches!(first[..], [Event::Failed(Error::Broken)]));
    assert!(second.is_empty());
}

#[test]
fn who_may_not_begin_holds_up_nobody_who_may() {
    let list = WaitingList::new(9);
    let _answers = [1, 2, 1].map(|caller| ask(&list, caller));
    let taken = list.take(|caller| caller != Caller(1), |_| true).unwrap();
    assert_eq!(taken.caller, Caller(2));
    assert!(list.take(|caller| caller != Caller(1), |_| true).is_none());
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Ask(u64),
    Take,
    Leave(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0u64..6).prop_map(Act::Ask),
        3 => Just(Act::Take),
        1 => (0usize..20).prop_map(Act::Leave),
    ];
    prop::collection::vec(act, 1..150)
}

proptest! {
    #[test]
    fn nobody_is_passed_by_who_had_a_turn_meanwhile_or_came_later(acts in acts()) {
        let list = WaitingList::new(1000);
        // Of all that wait the caller and when it came, and of all callers when one was taken last.
        let mut waiting: Vec<(u64, usize, Answer)> = Vec::new();
        let mut taken_at = HashMap::<u64, usize>::new();
        for (at, act) in acts.into_iter().enumerate() {
            match act {
                Act::Ask(caller) => waiting.push((caller, at, ask(&list, caller))),
                Act::Leave(_) if waiting.is_empty() => prop_assert_eq!(list.waiting(), 0),
                Act::Leave(index) => {
                    drop(waiting.remove(index % waiting.len()));
                    prop_assert_eq!(list.take_ended(Instant::now(), None).len(), 1);
                }
                Act::Take => {
                    let Some(taken) = list.take(|_| true, |_| true) else {
                        prop_assert!(waiting.is_empty());
                        continue;
                    };
                    let index = waiting.iter().position(|(caller, ..)| *caller == taken.caller.0).unwrap();
                    let (caller, came, _) = waiting.remove(index);
                    let since = taken_at.get(&caller).map_or(came, |taken_at| came.max(*taken_at));
                    for (other, came, _) in &waiting {
                        let had_turn = taken_at.get(other).is_some_and(|at| *at > since);
                        prop_assert!(
                            *other == caller || *came > since || had_turn,
                            "{other} has waited since {came}, and {caller} had a turn or came at {since}"
                        );
                    }
                    taken_at.insert(caller, at);
                }
            }
        }
    }
}
