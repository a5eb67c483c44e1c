use nibble_app::domain::{End, Metrics, Origin};

use super::*;

/// An answer of three tokens.
fn answer(thought: &str, text: &str, reason: EndReason) -> Answer {
    Answer {
        id: Id(1),
        thought: thought.to_owned(),
        text: text.to_owned(),
        end: Some(End {
            reason,
            metrics: Some(Metrics {
                output_tokens: 3,
                ..Metrics::default()
            }),
        }),
        siblings: Vec::new(),
        is_told_alone: false,
        origin: Origin::default(),
    }
}

fn computed(thought: &str, text: &str, tokens: usize) -> Computed {
    Computed {
        thought: thought.to_owned(),
        text: text.to_owned(),
        tokens,
    }
}

#[test]
fn the_same_text_is_the_same_and_what_was_cut_off_is_so_far() {
    let of = |before: &str, reason, now: &str, finish| {
        outcome(&answer("", before, reason), &computed("", now, 3), finish)
    };
    let (complete, stopped) = (|| EndReason::Complete, || EndReason::Stopped);
    let stop = FinishReason::Stop;
    assert_eq!(of("a b", complete(), "a b", stop), Replayed::Same(3));
    assert_eq!(of("a", stopped(), "a b", stop), Replayed::SameSoFar);
    let length = FinishReason::Length;
    assert_eq!(of("a b c", complete(), "a b", length), Replayed::SameSoFar);
    let parted = of("a b", complete(), "a c", stop);
    assert!(matches!(parted, Replayed::Differs(parting) if parting.characters == 2));
    let shorter = of("a b", complete(), "a", stop);
    assert!(matches!(shorter, Replayed::Differs(_)));
    let cut = of("a b", complete(), "a", FinishReason::Cancelled);
    assert!(matches!(cut, Replayed::Failed(_)));
}

#[test]
fn the_same_text_of_other_tokens_is_not_the_same() {
    let of =
        |before: &Answer, tokens| outcome(before, &computed("", "a b", tokens), FinishReason::Stop);
    let mut before = answer("", "a b", EndReason::Complete);
    assert_eq!(of(&before, 3), Replayed::Same(3));
    assert_eq!(of(&before, 4), Replayed::OtherTokens(3, 4));
    // Of some answers it was not kept how many they had.
    before.end = before.end.map(|end| End {
        metrics: None,
        ..end
    });
    assert_eq!(of(&before, 4), Replayed::Same(4));
}

#[test]
fn a_thought_is_not_a_text() {
    let of = |before: (&str, &str), reason, now: (&str, &str)| {
        let before = answer(before.0, before.1, reason);
        let now = computed(now.0, now.1, 3);
        outcome(&before, &now, FinishReason::Stop)
    };
    let complete = || EndReason::Complete;
    assert_eq!(of(("a", "b"), complete(), ("a", "b")), Replayed::Same(3));
    let moved = of(("a", "b"), complete(), ("ab", ""));
    assert!(matches!(moved, Replayed::Differs(parting) if parting.characters == 1));
    let stopped = || EndReason::Stopped;
    assert_eq!(of(("a", ""), stopped(), ("ab", "c")), Replayed::SameSoFar);
    assert_eq!(of(("a", "b"), stopped(), ("a", "bc")), Replayed::SameSoFar);
    let moved = of(("a", "b"), stopped(), ("ab", "c"));
    assert!(matches!(moved, Replayed::Differs(_)));
}

#[test]
fn an_owner_has_one_at_a_time_and_what_came_of_it_is_its_owners() {
    let replays = Replays::default();
    let blank = || Replay {
        changed: Vec::new(),
        tokens: 0,
        outcome: None,
    };
    let (me, other) = (Owner([1; 16]), Owner([2; 16]));
    let sender = replays.enter(me, Id(1), blank()).unwrap();
    assert!(replays.enter(me, Id(2), blank()).is_none());
    assert!(replays.enter(other, Id(3), blank()).is_some());
    sender.send_modify(|replay| replay.outcome = Some(Replayed::Same(1)));
    assert!(replays.enter(me, Id(2), blank()).is_some());
    assert!(replays.state(me, Id(1)).is_some());
    assert!(replays.state(other, Id(1)).is_none());
}

#[test]
fn those_that_are_computed_are_not_forgotten_for_others() {
    let replays = Replays::default();
    let blank = || Replay {
        changed: Vec::new(),
        tokens: 0,
        outcome: None,
    };
    let enter = |number: u8| {
        let (owner, answer) = (Owner([number; 16]), Id(number.into()));
        replays.enter(owner, answer, blank())
    };
    let most = u8::try_from(REMEMBERED).unwrap();
    let senders: Vec<_> = (0..most).map(|number| enter(number).unwrap()).collect();
    assert!(enter(most).is_none());
    senders[3].send_modify(|replay| replay.outcome = Some(Replayed::Same(1)));
    let _sender = enter(most).unwrap();
    assert!(replays.state(Owner([3; 16]), Id(3)).is_none());
    assert!(replays.state(Owner([0; 16]), Id(0)).is_some());
}
