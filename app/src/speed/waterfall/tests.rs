use super::*;
use crate::domain::measured;

/// Four seconds: one in the queue, two of the prompt, one of 41 tokens.
fn metrics() -> Metrics {
    Metrics {
        queued_s: 1.0,
        prefill_s: Some(2.0),
        time_to_first_token_s: Some(3.0),
        decode_tokens_per_second: Some(40.0),
        total_s: 4.0,
        usd_total: 0.004,
        usd_share: 0.001,
        prompt_tokens: 4300,
        cached_tokens: 27,
        output_tokens: 41,
        ..Metrics::default()
    }
}

#[test]
fn parts_follow_each_other_and_fill_the_time() {
    let parts = parts(&metrics(), 2);
    let told: Vec<_> = parts
        .iter()
        .map(|part| (part.what, part.from, part.took))
        .collect();
    assert_eq!(
        told,
        [
            (What::Waiting, Some(0.0), 1.0),
            (What::Cached, Some(1.0), 0.0),
            (What::Reading, Some(1.0), 2.0),
            (What::Writing, Some(3.0), 1.0),
        ]
    );
    let all: f64 = parts.iter().map(|part| part.took).sum();
    assert_eq!(all, metrics().total_s);
}

#[test]
fn tokens_of_the_cache_are_a_part_only_where_there_are_some() {
    let of = |cached_tokens| {
        let metrics = Metrics {
            cached_tokens,
            ..metrics()
        };
        let parts = parts(&metrics, 2);
        parts.iter().any(|part| part.what == What::Cached)
    };
    assert_eq!([0, 1].map(of), [false, true]);
}

#[test]
fn bringing_the_model_into_memory_is_a_part_of_its_own() {
    let mut loaded = Metrics {
        loading_s: 0.75,
        ..metrics()
    };
    let told: Vec<_> = parts(&loaded, 2)
        .iter()
        .map(|part| (part.what, part.from, part.took))
        .collect();
    assert_eq!(
        told[..2],
        [
            (What::Loading, Some(0.0), 0.75),
            (What::Waiting, Some(0.75), 0.25),
        ]
    );
    (loaded.queued_s, loaded.loading_s) = (3.0, 2.5);
    assert_eq!(why(&loaded, 2, None), Why::Loaded(Much::Most, 2.5));
}

#[test]
fn what_lies_within_is_told_beside() {
    let metrics = Metrics {
        beside: 1.5,
        paused_s: 0.5,
        throttled_s: Some(0.8),
        thought_s: Some(0.4),
        guesses_s: Some(0.3),
        ..metrics()
    };
    let parts = parts(&metrics, 2);
    let took = |what| parts.iter().find(|part| part.what == what).unwrap().took;
    // Of three seconds half a one was lent, and one was its own.
    assert_eq!(took(What::Sharing), 1.5);
    assert_eq!((took(What::Paused), took(What::Throttled)), (0.5, 0.4));
    assert_eq!(took(What::Guessing), 0.3);
    assert!((took(What::Thinking) - 0.4).abs() < 1e-9);
    assert!((took(What::Writing) - 0.6).abs() < 1e-9);
}

#[test]
fn what_went_into_others_is_told_also_where_time_costs_nothing() {
    let free = |beside| Metrics {
        beside,
        paused_s: 0.5,
        usd_total: 0.0,
        usd_share: 0.0,
        ..metrics()
    };
    let shared = |beside| {
        let parts = parts(&free(beside), 2);
        let part = parts.into_iter().find(|part| part.what == What::Sharing);
        part.map(|part| part.took)
    };
    // Three of four parts of the two and a half seconds for which it was computed.
    assert_eq!(shared(3.0), Some(1.875));
    assert_eq!(shared(0.0), None);
    let free = Metrics {
        queued_s: 0.0,
        ..free(3.0)
    };
    assert_eq!(why(&free, 2, None), Why::Shared(3.0));
}

#[test]
fn strange_figures_stay_within_the_time() {
    let metrics = Metrics {
        queued_s: 9.0,
        thought_s: Some(-3.0),
        guesses_s: Some(7.0),
        total_s: 2.0,
        ..metrics()
    };
    for part in parts(&metrics, 0) {
        assert!(part.took <= 2.0, "{part:?}");
    }
    assert_eq!(parts(&Metrics::default(), 1), []);
    let backwards = Metrics {
        total_s: -1.0,
        ..metrics
    };
    let took: Vec<_> = parts(&backwards, 1)
        .iter()
        .map(|part| (part.what, part.took))
        .collect();
    assert_eq!(took, [(What::Cached, 0.0)]);
}

#[test]
fn what_took_over_half_is_the_reason() {
    let of = |metrics: Metrics| why(&metrics, 2, Some(41.0));
    let base = || Metrics {
        queued_s: 0.0,
        ..metrics()
    };
    let quick = || Metrics {
        prefill_s: Some(0.5),
        ..base()
    };
    let waited = Metrics {
        queued_s: 2.5,
        ..metrics()
    };
    assert_eq!(of(waited), Why::Waited(Much::Most, 2.5));
    let read = Metrics {
        prefill_s: Some(2.5),
        ..base()
    };
    assert_eq!(of(read), Why::Read(Much::Most, 4273));
    let thought = Metrics {
        thought_s: Some(3.0),
        thought_tokens: 30,
        ..quick()
    };
    assert_eq!(of(thought), Why::Thought(Much::Most, 30));
    let slower = Metrics {
        decode_tokens_per_second: Some(20.5),
        ..quick()
    };
    let unmeasured = Why::Slower {
        of_usual: 0.5,
        held_up: None,
    };
    assert_eq!(of(slower), unmeasured);
    let wrote = Why::Wrote {
        much: Much::Most,
        tokens: 41,
        as_usual: true,
    };
    assert_eq!(of(quick()), wrote);
    let nothing = Metrics {
        output_tokens: 0,
        ..quick()
    };
    assert_eq!(of(nothing), Why::Nothing);
}

#[test]
fn what_held_an_answer_up_comes_before_its_largest_part() {
    let of = |metrics: Metrics| why(&metrics, 2, Some(41.0));
    let quick = || Metrics {
        queued_s: 0.0,
        prefill_s: Some(0.5),
        ..metrics()
    };
    let throttled = Metrics {
        throttled_s: Some(2.1),
        ..quick()
    };
    assert_eq!(of(throttled), Why::Throttled(2.1));
    let paused = Metrics {
        paused_s: 1.5,
        ..quick()
    };
    assert_eq!(of(paused), Why::Paused(1.5));
    let shared = Metrics {
        beside: 3.0,
        ..quick()
    };
    assert_eq!(of(shared), Why::Shared(3.0));
    // But not before a queue that took over half.
    let waited = Metrics {
        queued_s: 2.5,
        throttled_s: Some(2.1),
        ..metrics()
    };
    assert_eq!(of(waited), Why::Waited(Much::Most, 2.5));
}

#[test]
fn a_largest_part_of_less_than_half_is_not_most_of_it() {
    let of = |queued_s: f64, prefill_s: f64, thought_s: f64| {
        let metrics = Metrics {
            queued_s,
            prefill_s: Some(prefill_s),
            thought_s: Some(thought_s),
            thought_tokens: 30,
            total_s: 10.0,
            ..metrics()
        };
        why(&metrics, 2, Some(41.0))
    };
    let wrote = |much| Why::Wrote {
        much,
        tokens: 11,
        as_usual: true,
    };
    assert_eq!(of(4.5, 4.0, 0.5), Why::Waited(Much::Largest, 4.5));
    assert_eq!(of(4.2, 4.6, 0.5), Why::Read(Much::Largest, 4273));
    assert_eq!(of(3.0, 1.0, 4.0), Why::Thought(Much::Largest, 30));
    assert_eq!(of(3.0, 2.0, 1.0), wrote(Much::Largest));
    assert_eq!(of(1.0, 1.0, 2.0), wrote(Much::Most));
    // A fifth is not told as the most only because no other part is over half.
    assert_eq!(of(4.0, 2.0, 1.8), Why::Waited(Much::Largest, 4.0));
}

#[test]
fn a_speed_is_usual_only_beside_others_and_near_them() {
    let of = |usual| {
        let metrics = Metrics {
            queued_s: 0.0,
            prefill_s: Some(0.5),
            ..metrics()
        };
        why(&metrics, 2, usual)
    };
    let wrote = |as_usual| Why::Wrote {
        much: Much::Most,
        tokens: 41,
        as_usual,
    };
    assert_eq!(of(None), wrote(false));
    assert_eq!(of(Some(38.0)), wrote(true));
    assert_eq!(of(Some(20.0)), wrote(false));
    let slower = Why::Slower {
        of_usual: 0.5,
        held_up: None,
    };
    assert_eq!(of(Some(80.0)), slower);
}

#[test]
fn what_was_measured_is_named_before_what_was_not() {
    let of = |metrics: Metrics| match why(&metrics, 2, Some(80.0)) {
        Why::Slower { of_usual, held_up } => {
            assert_eq!(of_usual, 0.5);
            held_up.map(|(what, _)| what)
        }
        other => panic!("{other:?}"),
    };
    let free = || Metrics {
        queued_s: 0.0,
        prefill_s: Some(0.5),
        usd_total: 0.0,
        usd_share: 0.0,
        ..metrics()
    };
    assert_eq!(of(free()), None);
    // 37 of 100 went into others, and 24 of 100 into pauses: less than makes a reason by itself.
    let shared = Metrics {
        beside: 0.6,
        ..free()
    };
    assert_eq!(of(shared), Some(What::Sharing));
    let paused = Metrics {
        paused_s: 0.96,
        ..free()
    };
    assert_eq!(of(paused), Some(What::Paused));
    let throttled = Metrics {
        throttled_s: Some(1.5),
        guesses_s: Some(0.2),
        ..free()
    };
    assert_eq!(of(throttled), Some(What::Throttled));
    let guessing = Metrics {
        guesses_s: Some(0.9),
        ..free()
    };
    assert_eq!(of(guessing), Some(What::Guessing));
    let hardly = Metrics {
        paused_s: 0.01,
        ..free()
    };
    assert_eq!(of(hardly), None);
}

#[test]
fn usual_is_what_answers_of_that_length_reach_alone() {
    let mut answers = [40.0; 5].map(|speed| Measured {
        decode_tokens_per_second: Some(speed),
        prompt_tokens: 4000,
        output_tokens: 40,
        ..measured(0, "avx2")
    });
    let of = |answers: &[Measured]| {
        let answers: Vec<_> = answers.iter().collect();
        let metrics = Metrics {
            prompt_tokens: 2100,
            ..metrics()
        };
        usual(&metrics, &answers)
    };
    assert_eq!(of(&answers), Some(40.0));
    assert_eq!(of(&answers[1..]), None, "four are too few");
    let short = [500.0; 9].map(|speed| Measured {
        decode_tokens_per_second: Some(speed),
        ..measured(0, "avx2")
    });
    assert_eq!(of(&[&answers[..], &short[..]].concat()), Some(40.0));
    assert_eq!(of(&short), None);
    answers[0].beside = 1.0;
    assert_eq!(of(&answers), None, "one of them was not alone");
}
