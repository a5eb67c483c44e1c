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
        let before = answer("", before, reason);
        outcome_of(&before, &computed("", now, 3), finish, 1)
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
    let of = |before: &Answer, tokens| {
        outcome_of(before, &computed("", "a b", tokens), FinishReason::Stop, 1)
    };
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
        outcome_of(&before, &now, FinishReason::Stop, 1)
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
fn the_pieces_of_an_answer_are_those_of_its_text() {
    let piece = |turns, thought, text| Piece {
        turns,
        thought,
        text,
    };
    let of = |kept: &[Piece]| {
        let mut answer = answer("a", "中b", EndReason::Complete);
        answer.origin.pieces = kept.to_vec();
        let found = pieces(&answer)?.into_iter();
        Some(
            found
                .map(|(_, begin, end)| (begin, end))
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(of(&[]), Some(vec![((0, 0), (1, 4))]));
    let two = [piece(2, 0, 0), piece(1, 1, 3)];
    assert_eq!(of(&two), Some(vec![((0, 0), (1, 3)), ((1, 3), (1, 4))]));
    for bad in [
        vec![piece(0, 0, 0)],
        vec![piece(1, 0, 1)],
        vec![piece(1, 0, 0), piece(1, 1, 2)],
        vec![piece(1, 0, 0), piece(1, 1, 9)],
        vec![piece(1, 0, 0), piece(1, 1, 4), piece(1, 1, 3)],
    ] {
        assert_eq!(of(&bad), None, "{bad:?}");
    }
}

#[test]
fn where_pieces_are_known_a_single_one_does_not_stand_for_several() {
    let mut before = answer("", "a b c", EndReason::Complete);
    let beginning = computed("", "a b", 3);
    let of = |before: &Answer| outcome_of(before, &beginning, FinishReason::Length, 1);
    assert_eq!(of(&before), Replayed::SameSoFar);
    before.origin.pieces = vec![Piece::default()];
    assert!(matches!(of(&before), Replayed::Differs(_)));
    let whole = computed("", "a b c", 9);
    let of_two = outcome_of(&before, &whole, FinishReason::Stop, 2);
    assert_eq!(of_two, Replayed::SameInPieces(2));
}

/// A replay that has only begun.
fn blank() -> Replay {
    Replay {
        changed: Vec::new(),
        is_told_the_same: true,
        tokens: 0,
        outcome: None,
    }
}

#[test]
fn an_owner_has_one_at_a_time_and_what_came_of_it_is_its_owners() {
    let replays = Replays::default();
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
