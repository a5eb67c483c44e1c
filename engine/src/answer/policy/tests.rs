use proptest::prelude::*;

use super::*;

fn prompt(caller: u64, pending: usize) -> View {
    View {
        caller: Caller(caller),
        pending,
        decoding: false,
        got_on: true,
    }
}

fn decode(caller: u64) -> View {
    View {
        caller: Caller(caller),
        pending: 1,
        decoding: true,
        got_on: true,
    }
}

#[test]
fn what_decodes_is_in_every_step_and_a_prompt_gets_the_rest() {
    let served = Served::default();
    let answers = [decode(1), prompt(2, 4000), decode(3)];
    assert_eq!(plan(&answers, &served, 100), [1, 100, 1]);
    assert_eq!(plan(&answers, &served, 0), [1, 0, 1]);
}

#[test]
fn prompts_of_the_caller_served_least_come_first() {
    let mut served = Served::default();
    served.add(Caller(1), 500);
    let answers = [prompt(1, 30), prompt(1, 80), prompt(2, 90)];
    assert_eq!(plan(&answers, &served, 128), [30, 8, 90]);
}

#[test]
fn an_answer_that_was_paused_is_computed_again_within_the_rows() {
    let again = View {
        pending: 300,
        ..decode(1)
    };
    let served = Served::default();
    assert_eq!(plan(&[again, decode(2)], &served, 100), [100, 1]);
    assert_eq!(plan(&[again], &served, 0), [1]);
}

#[test]
fn callers_who_wait_take_turns() {
    // The first had a turn after the second and the third had come.
    let waiting = [(1, 9), (1, 9), (2, 4), (1, 10), (2, 6), (3, 7)];
    let waiting = waiting.map(|(caller, since)| (Caller(caller), since));
    assert_eq!(order(waiting.into_iter()), [2, 5, 0, 4, 1, 3]);
}

#[test]
fn the_youngest_of_who_has_most_makes_way_unless_it_has_just_gone_on() {
    let paused = View {
        pending: 0,
        ..decode(1)
    };
    let fresh = View {
        got_on: false,
        ..decode(1)
    };
    for (answers, expected) in [
        (vec![], None),
        (vec![decode(1), decode(2)], None),
        (vec![decode(1), paused, decode(2)], None),
        (vec![decode(1), decode(1), decode(2)], Some(1)),
        (
            vec![decode(1), prompt(1, 99), decode(2), decode(1)],
            Some(3),
        ),
        (vec![decode(1), decode(1), fresh, decode(2)], None),
        (vec![fresh, fresh, fresh, decode(2)], None),
        (vec![fresh, fresh, fresh, decode(2), decode(2)], Some(4)),
    ] {
        let making_way = to_make_way(&answers, 1, 0, |_| 0);
        assert_eq!(making_way, expected.map(|index| vec![index]), "{answers:?}");
    }
}

#[test]
fn as_many_make_way_as_lend_what_is_missing_and_none_in_vain() {
    let fresh = View {
        got_on: false,
        ..decode(1)
    };
    let many = [decode(1), decode(2), decode(1), prompt(1, 9), decode(2)];
    let lends = |index: usize| [9, 9, 5, 3, 2][index];
    for (answers, missing, expected) in [
        (many.to_vec(), 0, Some(vec![])),
        (many.to_vec(), 3, Some(vec![3])),
        // Of two callers with as many the youngest of all.
        (many.to_vec(), 4, Some(vec![3, 4])),
        (many.to_vec(), 10, Some(vec![3, 4, 2])),
        // One of each goes on.
        (many.to_vec(), 11, None),
        (vec![decode(1), decode(2)], 1, None),
        (vec![decode(1), decode(2), decode(1), fresh], 1, None),
    ] {
        assert_eq!(to_make_way(&answers, 0, missing, lends), expected);
    }
    // A place is had by one, whatever it lends.
    assert_eq!(to_make_way(&many, 1, 0, lends), Some(vec![3]));
}

#[test]
fn who_is_paused_goes_on_by_callers_and_not_by_age_alone() {
    let paused = |caller| View {
        pending: 0,
        ..decode(caller)
    };
    let mut served = Served::default();
    served.add(Caller(1), 500);
    served.add(Caller(2), 90);
    for (answers, expected) in [
        (vec![decode(1)], None),
        (vec![paused(1), paused(1)], Some(0)),
        (vec![paused(1), paused(1), paused(2), paused(2)], Some(2)),
        (vec![paused(1), decode(2), paused(2)], Some(0)),
        (vec![decode(1), decode(2), paused(1), paused(2)], Some(3)),
    ] {
        assert_eq!(to_resume(&answers, &served), expected, "{answers:?}");
    }
}

#[test]
fn who_has_no_place_finds_one_when_others_have_taken_all() {
    let places = Caller::places;
    assert_eq!((places(0, 64), places(1, 64), places(63, 64)), (80, 64, 64));
    // A short list has none to spare.
    assert_eq!((places(0, 3), places(1, 3)), (3, 3));
}

#[test]
fn nobody_saves_up_turns() {
    let mut served = Served::default();
    served.enter(Caller(1), &[]);
    served.add(Caller(1), 1000);
    served.enter(Caller(2), &[prompt(1, 9)]);
    assert_eq!(served.by(Caller(2)), 1000);
    // Neither who comes for the first time nor who has decoded meanwhile.
    served.add(Caller(2), 500);
    served.enter(Caller(3), &[decode(1), prompt(2, 9)]);
    served.enter(Caller(1), &[decode(1), prompt(2, 9), prompt(3, 9)]);
    assert_eq!([1, 3].map(|caller| served.by(Caller(caller))), [1500, 1500]);
    // Nor does anybody pay for what others did not want.
    served.add(Caller(2), 9000);
    served.enter(Caller(2), &[decode(2), prompt(1, 9), prompt(3, 9)]);
    assert_eq!(served.by(Caller(2)), 1500);
    served.retain(|caller| caller == Caller(2));
    assert_eq!(served.by(Caller(1)), 0);
}

#[test]
fn a_prompt_ends_whoever_comes() {
    const ROWS: usize = 64;
    let mut served = Served::default();
    // One that has decoded from the beginning on, and one that has had more before than there are rows to come.
    let mut running = vec![decode(1), prompt(2, 2000)];
    served.enter(Caller(1), &[]);
    served.add(Caller(1), 10);
    served.add(Caller(2), 100_000);
    for step in 0.. {
        assert!(step < 2000, "it waits for ever");
        // A new caller in each step, with a prompt for a whole one.
        let caller = Caller(3 + step as u64);
        served.enter(caller, &running);
        running.push(prompt(caller.0, ROWS));
        let planned = plan(&running, &served, ROWS);
        for (view, tokens) in running[1..].iter_mut().zip(&planned[1..]) {
            view.pending -= tokens;
            served.add(view.caller, *tokens);
        }
        if running[1].pending == 0 {
            break;
        }
        running.retain(|view| view.pending > 0);
        served.retain(|caller| running.iter().any(|view| view.caller == caller));
    }
}

#[test]
fn a_step_beside_answers_that_decode_keeps_within_its_time() {
    let mut rates = Rates::default();
    assert_eq!(rates.prefill_rows(3), PREFILL_CHUNK - 3);
    assert_eq!(rates.running(), FIRST_RUNNING);
    for _ in 0..50 {
        rates.observe(100, false, Duration::from_millis(500));
        rates.decoded(1, 1, 0, Duration::from_millis(20));
    }
    assert_eq!(rates.prefill_rows(0), PREFILL_CHUNK);
    // 64 rows take 320 ms.
    assert!((60..=61).contains(&rates.prefill_rows(3)));
    assert_eq!(rates.running(), ANSWERS);
    let seconds = rates.seconds(200, 100).unwrap();
    assert!((seconds - 3.0).abs() < 0.01, "{seconds}");
    for _ in 0..50 {
        rates.observe(100, false, Duration::from_secs(60));
    }
    assert_eq!(
        (rates.prefill_rows(3), rates.running()),
        (LEAST_PREFILL_ROWS, 1)
    );
}

#[test]
fn as_many_run_as_decode_within_a_step_whatever_prompts_take() {
    let mut rates = Rates::default();
    // A step of a single row says no more than that a few may run.
    rates.observe(1, true, Duration::from_millis(300));
    assert_eq!((rates.running(), rates.row()), (FIRST_RUNNING, None));
    let mut rates = Rates::default();
    rates.observe(1, true, Duration::from_millis(20));
    assert_eq!((rates.running(), rates.row()), (20, None));
    for _ in 0..100 {
        rates.observe(100, false, Duration::from_millis(100));
    }
    let row = rates.row();
    for _ in 0..100 {
        rates.observe(20, true, Duration::from_millis(500));
    }
    assert_eq!((rates.running(), rates.row()), (16, row));
}

#[test]
fn the_pace_of_a_token_is_that_of_the_steps_with_what_guesses_gave() {
    let mut rates = Rates::default();
    assert_eq!(rates.pace(), Pace::default());
    for _ in 0..100 {
        // Of two steps one gives four tokens.
        rates.decoded(1, 1, 0, Duration::from_millis(20));
        rates.decoded(1, 4, 0, Duration::from_millis(30));
    }
    let alone = rates.pace().token_s(0, true).unwrap();
    assert!((alone / 0.010 - 1.0).abs() < 0.15, "{alone}");
    for _ in 0..100 {
        rates.decoded(8, 16, 0, Duration::from_millis(80));
    }
    let pace = rates.pace();
    assert_eq!(pace.token_s(0, true), Some(alone));
    assert!((pace.token_s(0, false).unwrap() - 0.040).abs() < 1e-4);
    // Answers that ended without a token say nothing of it.
    rates.decoded(1, 0, 0, Duration::from_secs(9));
    assert_eq!(rates.pace(), pace);
}

/// A caller's prompts, each with the step in which it comes.
fn arrivals() -> impl Strategy<Value = Vec<(u64, usize, usize)>> {
    prop::collection::vec((0u64..4, 1usize..600, 0usize..40), 1..40)
}

proptest! {
    #[test]
    fn every_prompt_ends_and_no_step_is_too_large(arrivals in arrivals(), rows in 1usize..200) {
        let mut waiting = arrivals;
        waiting.sort_by_key(|(.., step)| *step);
        let mut waiting = std::collections::VecDeque::from(waiting);
        let (mut served, mut running) = (Served::default(), Vec::new());
        let tokens: usize = waiting.iter().map(|(_, tokens, _)| tokens).sum();
        for step in 0.. {
            while waiting.front().is_some_and(|(.., at)| *at <= step) {
                let (caller, tokens, _) = waiting.pop_front().unwrap();
                served.enter(Caller(caller), &running);
                running.push(prompt(caller, tokens));
            }
            if running.is_empty() && waiting.is_empty() {
                break;
            }
            prop_assert!(step < 40 + tokens, "somebody waits for ever");
            let planned = plan(&running, &served, rows);
            prop_assert!(planned.iter().sum::<usize>() <= rows);
            prop_assert!(running.is_empty() || planned.iter().any(|tokens| *tokens > 0));
            for (view, tokens) in running.iter_mut().zip(planned) {
                prop_assert!(tokens <= view.pending);
                view.pending -= tokens;
                served.add(view.caller, tokens);
            }
            running.retain(|view| view.pending > 0);
            served.retain(|caller| running.iter().any(|view| view.caller == caller));
        }
    }

    #[test]
    fn who_makes_way_has_others_that_go_on_and_all_that_do_are_needed(
        answers in prop::collection::vec((0u64..4, 0usize..3, any::<bool>(), 0usize..9), 0..20),
        missing in 0usize..40,
    ) {
        let views: Vec<View> = answers
            .iter()
            .map(|(caller, pending, got_on, _)| View {
                caller: Caller(*caller),
                pending: *pending,
                decoding: true,
                got_on: *got_on,
            })
            .collect();
        let lends = |index: usize| answers[index].3;
        let made = to_make_way(&views, 0, missing, lends);
        let most = (1..).map_while(|least| to_make_way(&views, least, 0, lends)).last();
        let most = most.unwrap_or_default();
        let Some(made) = made else {
            prop_assert!(most.iter().copied().map(lends).sum::<usize>() < missing);
            return Ok(());
        };
        prop_assert_eq!(&most[..made.len()], &made[..]);
        let mut left = views.clone();
        for index in &made {
            prop_assert!(left[*index].pending > 0 && left[*index].got_on);
            left[*index].pending = 0;
            prop_assert!(running_of(left[*index].caller, &left) > 0);
        }
        let lent: Vec<usize> = made.iter().copied().map(lends).collect();
        prop_assert!(lent.iter().sum::<usize>() >= missing);
        if let Some((_, before)) = lent.split_last() {
            prop_assert!(before.iter().sum::<usize>() < missing);
        }
    }

    #[test]
    fn a_caller_with_many_prompts_gets_no_more_than_one_with_a_single_long_one(
        many in 2usize..50, rows in 8usize..128
    ) {
        let mut running = vec![prompt(1, 100_000); many];
        running.push(prompt(2, 100_000));
        let mut served = Served::default();
        for _ in 0..200 {
            let planned = plan(&running, &served, rows);
            for (view, tokens) in running.iter_mut().zip(planned) {
                view.pending -= tokens;
                served.add(view.caller, tokens);
            }
        }
        let (one, two) = (served.by(Caller(1)), served.by(Caller(2)));
        prop_assert!(one.abs_diff(two) <= rows as u64, "{one} {two}");
    }
    #[test]
    fn the_oldest_prompt_goes_on_and_callers_get_the_same(
        arrivals in prop::collection::vec((0u64..6, 1usize..600, 0usize..60, 0usize..40), 1..40),
        rows in 16usize..128,
    ) {
        let mut coming = arrivals;
        coming.sort_by_key(|(_, _, step, _)| *step);
        let mut coming = std::collections::VecDeque::from(coming);
        // What runs, and for how many steps it decodes when its prompt is read.
        let mut running: Vec<(View, usize)> = Vec::new();
        let mut served = Served::default();
        // Of each pair of callers how many rows each has had since both have prompts.
        let mut had = HashMap::<(u64, u64), [usize; 2]>::new();
        let views = |running: &[(View, usize)]| -> Vec<View> {
            running.iter().map(|(view, _)| *view).collect()
        };
        let callers = |running: &[(View, usize)]| -> HashSet<u64> {
            let prompts = running.iter().filter(|(view, _)| view.has_prompt());
            prompts.map(|(view, _)| view.caller.0).collect()
        };
        for step in 0.. {
            while coming.front().is_some_and(|(_, _, at, _)| *at <= step) {
                let (caller, tokens, _, decodes) = coming.pop_front().unwrap();
                served.enter(Caller(caller), &views(&running));
                running.push((prompt(caller, tokens), decodes));
            }
            if running.is_empty() && coming.is_empty() {
                break;
            }
            let before = callers(&running);
            let planned = plan(&views(&running), &served, rows);
            if let Some(oldest) = running.iter().position(|(view, _)| view.has_prompt()) {
                let least = (rows / (2 * before.len())).max(1).min(running[oldest].0.pending);
                prop_assert!(planned[oldest] >= least);
            }
            let mut gained = HashMap::<u64, usize>::new();
            for ((view, decodes), tokens) in running.iter_mut().zip(planned) {
                if view.decoding {
                    *decodes -= 1;
                    continue;
                }
                view.pending -= tokens;
                served.add(view.caller, tokens);
                *gained.entry(view.caller.0).or_default() += tokens;
                if view.pending == 0 {
                    *view = decode(view.caller.0);
                }
            }
            running.retain(|(view, decodes)| !view.decoding || *decodes > 0);
            served.retain(|caller| running.iter().any(|(view, _)| view.caller == caller));
            let after = callers(&running);
            let goes_on = |caller: &u64| before.contains(caller) && after.contains(caller);
            had.retain(|(one, two), _| goes_on(one) && goes_on(two));
            for one in before.iter().filter(|one| goes_on(one)) {
                for two in before.iter().filter(|two| goes_on(two) && one < *two) {
                    let rows_of = had.entry((*one, *two)).or_default();
                    for (sum, caller) in rows_of.iter_mut().zip([one, two]) {
                        *sum += gained.get(caller).copied().unwrap_or(0);
                    }
                    prop_assert!(
                        rows_of[0].abs_diff(rows_of[1]) <= 3 * rows,
                        "{} and {} had {:?}", one, two, rows_of
                    );
                }
            }
        }
    }
}
