use proptest::prelude::*;

use super::*;

/// Without a draft model.
fn share_out(
    prospects: &[Prospect],
    rows: usize,
    steps: &StepCosts,
    row: Option<f64>,
) -> Vec<usize> {
    super::share_out(prospects, rows, Measured { steps, row }, None).lengths
}

fn costs(time: impl Fn(usize) -> u64, rows: impl IntoIterator<Item = usize>) -> StepCosts {
    let mut costs = StepCosts::default();
    for rows in rows {
        costs.observe(rows, Duration::from_micros(time(rows)));
    }
    costs
}

fn auto(chances: &[f64]) -> Prospect {
    Prospect {
        chances: chances.to_vec(),
        ..Prospect::default()
    }
}

/// As likely for each of its tokens.
fn geometric(chance: f64, tokens: i32) -> Prospect {
    let chances: Vec<_> = (1..=tokens).map(|token| chance.powi(token)).collect();
    auto(&chances)
}

/// What an answer guesses that has the step for itself.
fn alone(prospect: &Prospect, costs: &StepCosts, row: Option<f64>) -> usize {
    share_out(std::slice::from_ref(prospect), 1, costs, row)[0]
}

#[test]
fn nothing_is_guessed_before_a_step_without_was_measured() {
    let sure = geometric(0.99, 8);
    let none = StepCosts::default();
    assert_eq!(alone(&sure, &none, None), 0);
    let costs = costs(|_| 1000, [1]);
    assert!(alone(&sure, &costs, None) > 0);
}

#[test]
fn where_rows_are_free_all_are_guessed_and_where_they_are_not_none() {
    let free = costs(|_| 1000, 1..=20);
    let dear = costs(|rows| 1000 * rows as u64, 1..=20);
    let half = geometric(0.5, 8);
    assert_eq!(alone(&half, &free, None), 8);
    assert_eq!(alone(&half, &dear, None), 0);
}

#[test]
fn in_a_batch_the_likeliest_guesses_of_all_share_the_rows() {
    // The fifth row and all behind it cost as much as a step.
    let costs = costs(|rows| 1000 * rows.saturating_sub(3).max(1) as u64, 1..=20);
    let prospects = [auto(&[0.9, 0.2]), auto(&[]), auto(&[0.95, 0.9])];
    assert_eq!(share_out(&prospects, 1, &costs, None), [1, 0, 2]);
    assert_eq!(share_out(&prospects, 3, &costs, None), [0, 0, 1]);
}

#[test]
fn a_fixed_number_is_guessed_at_any_cost_within_the_memory_where_nobody_else_waits() {
    let dear = costs(|rows| 100_000 * rows as u64, 1..=64);
    let cheap = costs(|rows| 1_000 * rows as u64, 1..=64);
    let fixed = Prospect {
        is_fixed: true,
        ..geometric(0.1, 16)
    };
    assert_eq!(alone(&fixed, &dear, None), 16);
    let prospects = [fixed.clone(), geometric(0.1, 16), fixed.clone()];
    assert_eq!(share_out(&prospects, 3, &cheap, None), [16, 0, 16]);
    // A reader waits for 400 ms, which are four rows.
    assert_eq!(share_out(&prospects, 3, &dear, None), [1, 0, 0]);
    let many = vec![fixed; 40];
    let lengths = share_out(&many, 40, &cheap, None);
    assert_eq!(lengths.iter().sum::<usize>(), ANSWERS - 40);
}

#[test]
fn no_reader_waits_longer_than_for_a_step() {
    let costs = costs(|rows| 300_000 + 20_000 * rows as u64, 1..=20);
    assert_eq!(alone(&geometric(0.99, 16), &costs, None), 4);
}

#[test]
fn what_is_not_measured_is_tried_by_the_time_of_a_prompts_row() {
    let costs = costs(|_| 1000, [1]);
    let likely = geometric(0.8, 8);
    assert_eq!(alone(&likely, &costs, Some(1.0)), 0);
    assert!(alone(&likely, &costs, Some(0.0002)) >= 2);
}

#[test]
fn steps_with_guesses_take_what_so_many_rows_do() {
    let costs = costs(|rows| 1000 + 100 * rows as u64, [1, 5, 9]);
    let seconds = |steps: &[usize], one| costs.seconds(steps, one, None);
    // Three without a guess, two with two of them, one with eight.
    let took = seconds(&[3, 0, 2, 0, 0, 0, 0, 0, 1], Some(0.002)).unwrap();
    assert!((took - (0.006 + 0.0026 + 0.0019)).abs() < 1e-9, "{took}");
    assert_eq!(seconds(&[3, 1], None), None);
    assert!(seconds(&[0, 1], None).is_some());
    assert_eq!(StepCosts::default().seconds(&[0, 1], Some(1.0), None), None);
}

#[test]
fn what_was_measured_long_ago_is_tried_again() {
    let mut costs = costs(|rows| if rows == 1 { 1000 } else { 50_000 }, 1..=16);
    let likely = geometric(0.8, 8);
    let row = Some(0.0002);
    assert_eq!(alone(&likely, &costs, row), 0);
    for _ in 0..FRESH {
        costs.observe(1, Duration::from_millis(1));
    }
    assert!(alone(&likely, &costs, row) >= 2);
}

/// With a draft model of which a step takes so many microseconds.
fn with_model(prospects: &[Prospect], rows: usize, steps: &StepCosts, micros: u64) -> Shares {
    let of_draft = costs(|_| micros, [1, 16]);
    let measured = |steps| Measured { steps, row: None };
    super::share_out(prospects, rows, measured(steps), Some(measured(&of_draft)))
}

fn by_model(chance: f64, tokens: i32) -> Prospect {
    Prospect {
        by_model: true,
        ..geometric(chance, tokens)
    }
}

#[test]
fn a_draft_model_guesses_as_far_as_its_steps_pay() {
    let costs = costs(|_| 10_000, 1..=20);
    let length = |micros| with_model(&[by_model(0.8, 16)], 1, &costs, micros).lengths[0];
    assert_eq!(length(10), 16);
    let some = length(1000);
    assert!((4..16).contains(&some), "{some}");
    assert!((1..some).contains(&length(3000)));
    assert_eq!(length(10_000), 0);
}

#[test]
fn answers_share_the_steps_of_a_draft_model() {
    let costs = costs(|rows| 10_000 + 100 * rows as u64, 1..=ANSWERS);
    // A step of it for each of the four would take longer than the step that it saves.
    for answers in [1, 4] {
        let prospects = vec![by_model(0.7, 8); answers];
        let shares = with_model(&prospects, answers, &costs, 3000);
        assert!(shares.lengths.iter().all(|length| *length > 0));
    }
}

#[test]
fn a_draft_model_that_was_not_measured_guesses_where_it_is_asked_to_alone() {
    let costs = costs(|_| 1000, 1..=20);
    let measured = |steps| Measured { steps, row: None };
    let none = StepCosts::default();
    let lengths = |prospect: Prospect| {
        super::share_out(&[prospect], 1, measured(&costs), Some(measured(&none))).lengths
    };
    assert_eq!(lengths(by_model(0.99, 8)), [0]);
    let fixed = Prospect {
        is_fixed: true,
        ..by_model(0.1, 8)
    };
    assert_eq!(lengths(fixed), [8]);
}

#[test]
fn no_reader_waits_longer_for_the_steps_of_a_draft_model() {
    let costs = costs(|_| 300_000, 1..=20);
    let shares = with_model(&[by_model(0.99, 16)], 1, &costs, 20_000);
    assert_eq!(shares.lengths, [5]);
}

proptest! {
    #[test]
    fn no_other_number_of_guesses_would_give_more_tokens_a_second(
        chances in prop::collection::vec((0.0..1.0f64, 0i32..12), 1..8),
        times in prop::collection::vec(0u64..3000, ANSWERS),
    ) {
        let mut sum = 1000;
        let times: Vec<u64> = times.iter().map(|time| { sum += time; sum }).collect();
        let costs = costs(|rows| times[rows - 1], 1..=ANSWERS);
        let prospects: Vec<_> = chances.iter().map(|(chance, tokens)| geometric(*chance, *tokens)).collect();
        let answers = prospects.len();
        let lengths = share_out(&prospects, answers, &costs, None);
        let speed = |lengths: &[usize]| {
            let pairs = prospects.iter().zip(lengths);
            let right: f64 = pairs.map(|(prospect, length)| prospect.chances[..*length].iter().sum::<f64>()).sum();
            let rows = answers + lengths.iter().sum::<usize>();
            (answers as f64 + right) / times[rows - 1] as f64
        };
        let found = speed(&lengths);
        prop_assert!(found >= speed(&vec![0; answers]));
        if lengths.iter().any(|length| *length > 0) {
            for index in 0..answers {
                let mut other = lengths.clone();
                other[index] += 1;
                if lengths[index] < prospects[index].chances.len() {
                    prop_assert!(found >= speed(&other) * 0.999_999);
                }
                if let Some(less) = lengths[index].checked_sub(1) {
                    other[index] = less;
                    prop_assert!(found >= speed(&other) * 0.999_999);
                }
            }
        }
    }
}
