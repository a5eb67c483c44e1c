use super::*;

fn close(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!(
        (found - expected).abs() <= 1e-9 * expected.abs(),
        "{found} instead of {expected}"
    );
}

#[test]
fn figures_follow_the_formulas() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut clock = Clock::accept(start);
    clock.begin(at(100));
    clock.prefilled(at(300), 50);
    for ms in [350, 400, 430, 500, 550] {
        clock.token(at(ms));
    }
    let ms = Duration::from_millis;
    clock.step(ms(300), ms(100), 3);
    clock.step(ms(100), ms(100), 1);
    clock.alone(Some(0.25));
    clock.guessed([9, 6]);
    clock.verified(ms(60));
    clock.verified(ms(30));
    let metrics = clock.metrics(at(900), 3.6, "scalar", 2);
    close(metrics.time_to_first_token_s, 0.35);
    close(Some(metrics.queued_s), 0.1);
    close(metrics.prefill_s, 0.2);
    close(metrics.prefill_tokens_per_second, 250.0);
    // Four intervals, 50 ms on average, between five tokens.
    close(metrics.decode_tokens_per_second, 20.0);
    close(metrics.time_per_output_token_ms, 50.0);
    close(Some(metrics.total_s), 0.55);
    // 0.001 dollars a second.
    close(metrics.usd_per_million_tokens, 50.0);
    close(Some(metrics.usd_total), 0.00055);
    close(Some(metrics.machine_s), 0.2);
    close(Some(metrics.usd_share), 0.0002);
    close(metrics.usd_alone, 0.00025);
    close(metrics.guesses_s, 0.09);
    close(Some(metrics.beside), 1.5);
    assert_eq!(metrics.completion_tokens, 5);
    assert_eq!(metrics.token_gaps_s, [0.05, 0.03, 0.07, 0.05]);
}

#[test]
fn times_count_from_when_it_was_read_and_limits_from_when_it_came_to_the_engine() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut clock = Clock::accept(start).submitted(at(900));
    assert_eq!(clock.since_submitted(at(950)), Duration::from_millis(50));
    clock.begin(at(1000));
    clock.prefilled(at(1200), 50);
    clock.token(at(1300));
    let metrics = clock.metrics(at(1400), 3.6, "scalar", 2);
    close(Some(metrics.queued_s), 1.0);
    close(metrics.prefill_s, 0.2);
    close(metrics.time_to_first_token_s, 1.3);
    close(Some(metrics.total_s), 1.3);
}

#[test]
fn a_thought_is_timed_and_counted_apart_from_what_follows() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut clock = Clock::accept(start);
    for ms in [100, 200, 300] {
        clock.token(at(ms));
        clock.thinks(at(ms));
    }
    let thinking = clock.metrics(at(350), 1.0, "scalar", 1);
    assert_eq!(thinking.time_to_first_answer_token_s, None);
    assert_eq!((thinking.thought_tokens, thinking.answer_tokens()), (3, 0));
    // A blank line, which belongs to neither.
    clock.token(at(400));
    for ms in [500, 600] {
        clock.token(at(ms));
        clock.answers(at(ms));
    }
    let metrics = clock.metrics(at(700), 1.0, "scalar", 1);
    close(metrics.time_to_first_token_s, 0.1);
    close(metrics.thought_s, 0.2);
    close(metrics.time_to_first_answer_token_s, 0.5);
    assert_eq!((metrics.thought_tokens, metrics.answer_tokens()), (3, 3));
}

#[test]
fn without_a_thought_the_first_token_is_that_of_the_answer() {
    let start = Instant::now();
    let mut clock = Clock::accept(start);
    clock.token(start + Duration::from_millis(10));
    let late = start + Duration::from_millis(20);
    clock.token(late);
    clock.answers(late);
    let metrics = clock.metrics(late, 1.0, "scalar", 1);
    close(metrics.time_to_first_answer_token_s, 0.01);
    assert_eq!((metrics.thought_s, metrics.thought_tokens), (None, 0));
}

#[test]
fn a_single_token_has_no_decode_speed() {
    let start = Instant::now();
    let mut clock = Clock::accept(start);
    clock.begin(start);
    clock.token(start + Duration::from_millis(10));
    let metrics = clock.metrics(start + Duration::from_millis(20), 1.0, "scalar", 1);
    assert_eq!(metrics.decode_tokens_per_second, None);
    assert_eq!(metrics.usd_per_million_tokens, None);
    assert_eq!(metrics.prefill_tokens_per_second, None);
    close(Some(metrics.total_s), 0.01);
}

#[test]
fn an_answer_without_tokens_still_took_time() {
    let start = Instant::now();
    let clock = Clock::accept(start);
    let metrics = clock.metrics(start + Duration::from_secs(2), 3600.0, "scalar", 1);
    assert_eq!(metrics.time_to_first_token_s, None);
    assert_eq!(
        (metrics.queued_s, metrics.total_s, metrics.usd_total),
        (2.0, 2.0, 2.0)
    );
}

#[test]
fn absent_figures_are_left_out_of_json() {
    let start = Instant::now();
    let metrics = Clock::accept(start).metrics(start, 1.0, "scalar", 1);
    let json = serde_json::to_string(&metrics).unwrap();
    assert!(
        !json.contains("first_token") && json.contains("total_s"),
        "{json}"
    );
}

#[test]
fn a_pause_lasts_until_a_step_computes_something_again() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut clock = Clock::accept(start);
    assert_eq!(clock.metrics(at(50), 1.0, "scalar", 1).paused_s, None);
    clock.pause(at(100));
    // It was given its memory back, but not for long enough.
    clock.pause(at(200));
    clock.go_on(at(350));
    clock.go_on(at(400));
    close(clock.metrics(at(500), 1.0, "scalar", 1).paused_s, 0.25);
    clock.pause(at(600));
    close(clock.metrics(at(700), 1.0, "scalar", 1).paused_s, 0.35);
}

#[test]
fn throttling_counts_from_when_work_began() {
    let start = Instant::now();
    let mut clock = Clock::accept(start);
    let metrics = |clock: &Clock| clock.metrics(start, 1.0, "scalar", 1);
    assert_eq!(metrics(&clock).throttled_s, None);
    clock.throttled(Some(Duration::from_secs(7)));
    assert_eq!(metrics(&clock).throttled_s, Some(0.0));
    clock.throttled(Some(Duration::from_secs(9)));
    assert_eq!(metrics(&clock).throttled_s, Some(2.0));
    clock.throttled(None);
    assert_eq!(metrics(&clock).throttled_s, None);
}
