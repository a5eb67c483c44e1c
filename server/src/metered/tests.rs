use std::time::Instant;

use futures::StreamExt;
use nibble_engine::metrics::Metrics;
use nibble_engine::{
    Completion, Event, FinishReason, Prompt, Request, Sampling, Stopper, Thinking,
};

use super::*;
use crate::models::Offer;
use crate::telemetry::Telemetry;
use crate::test_support::blocked::Blocked;
use crate::test_support::held::Held;

fn request() -> Request {
    Request {
        prompt: Prompt::Raw("Hi".into()),
        sampling: Sampling::default(),
        max_tokens: 5,
        thinking: Thinking::default(),
        constraint: None,
        stop: Vec::new(),
        usd_per_hour: 1.0,
        caller: nibble_engine::Caller::default(),
        ..Request::default()
    }
}

fn metered() -> (Arc<Held>, Metered) {
    let held = Arc::new(Held::default());
    (held.clone(), metered_by(held))
}

fn metered_by(generator: Arc<dyn Generator>) -> Metered {
    let telemetry = Telemetry::new(generator.info(), 0, 1.0).unwrap();
    Metered::new(Models::only(generator), Arc::new(telemetry))
}

fn of(caller: u64) -> Request {
    Request {
        caller: Caller(caller),
        ..request()
    }
}

fn completion() -> Completion {
    Completion {
        finish_reason: FinishReason::Cancelled,
        prompt_tokens: 10,
        cached_tokens: 4,
        token_ids: vec![1, 2, 3],
        metrics: Metrics {
            time_to_first_token_s: Some(1.0),
            total_s: 2.0,
            usd_share: 0.5,
            completion_tokens: 3,
            ..Metrics::default()
        },
    }
}

impl Metered {
    fn waiting_and_running(&self) -> (i64, i64) {
        (self.telemetry.waiting.get(), self.telemetry.running.get())
    }
}

#[tokio::test]
async fn an_answer_waits_then_runs_then_is_gone() {
    let (held, model) = metered();
    let mut answer = model.submit(request()).await.unwrap();
    let (_, sender) = held.take().unwrap();
    assert_eq!(model.waiting_and_running(), (1, 0));
    sender.send(Event::Prefill { done: 0, total: 2 });
    answer.next().await;
    assert_eq!(model.waiting_and_running(), (0, 1));
    drop(answer);
    drop(sender);
    model.all_ended().await;
    assert_eq!(model.waiting_and_running(), (0, 0));
    assert_eq!(model.telemetry.count(Outcome::Abandoned), 1);
}

#[tokio::test]
async fn an_answer_whose_reader_leaves_counts_with_what_it_took() {
    let (held, model) = metered();
    let answer = model.submit(request()).await.unwrap();
    let (_, sender) = held.take().unwrap();
    // What came and was not read tells that it runs.
    sender.send(Event::Prefill { done: 0, total: 10 });
    drop(answer);
    assert!(sender.is_stopped() && !sender.is_abandoned());
    assert_eq!(model.waiting_and_running(), (0, 1));
    sender.send(Event::Finished(completion()));
    model.all_ended().await;
    assert_eq!(model.waiting_and_running(), (0, 0));
    assert_eq!(model.telemetry.count(Outcome::Abandoned), 1);
    assert_eq!(model.telemetry.count(Outcome::Stopped), 0);
    let figures = model.telemetry.render(&Load::default()).unwrap();
    for line in [
        "nibble_answers_cost_usd_total 0.5\n",
        "nibble_prompt_tokens_total{source=\"cached\"} 4\n",
        "nibble_prompt_tokens_total{source=\"computed\"} 6\n",
        "nibble_output_tokens_total 3\n",
        // It tells nothing of how long answers take.
        "nibble_request_seconds_count 0\n",
    ] {
        assert!(figures.contains(line), "{line}{figures}");
    }
}

#[tokio::test]
async fn an_answer_whose_reader_leaves_at_its_end_counts_with_what_it_took() {
    let (held, model) = metered();
    let answer = model.submit(request()).await.unwrap();
    let (_, sender) = held.take().unwrap();
    sender.send(Event::Finished(completion()));
    drop(answer);
    assert!(sender.is_abandoned() && model.is_idle());
    assert_eq!(model.telemetry.count(Outcome::Abandoned), 1);
    let figures = model.telemetry.render(&Load::default()).unwrap();
    assert!(figures.contains("nibble_answers_cost_usd_total 0.5\n"));
}

#[tokio::test]
async fn an_answer_that_waits_gives_its_place_up_at_once_when_its_reader_leaves() {
    let (held, model) = metered();
    let answer = model.submit(request()).await.unwrap();
    let (_, sender) = held.take().unwrap();
    sender.send(Event::Queued {
        before: 1,
        seconds: None,
    });
    drop(answer);
    assert!(sender.is_abandoned() && model.is_idle());
    assert_eq!(model.telemetry.count(Outcome::Abandoned), 1);
}

#[tokio::test]
async fn what_takes_longer_than_allowed_has_an_outcome_of_its_own() {
    let (held, model) = metered();
    let limit = Duration::from_secs(1);
    let spent = Some(Box::new(completion()));
    for error in [
        Error::WaitedTooLong { limit },
        Error::TooLate { limit, spent: None },
        Error::TooLate { limit, spent },
    ] {
        let mut answer = model.submit(request()).await.unwrap();
        held.take().unwrap().1.send(Event::Failed(error));
        while answer.next().await.is_some() {}
    }
    assert_eq!(model.telemetry.count(Outcome::TimedOut), 3);
    let figures = model.telemetry.render(&Load::default()).unwrap();
    for line in [
        "nibble_answers_cost_usd_total 0.5\n",
        "nibble_output_tokens_total 3\n",
    ] {
        assert!(figures.contains(line), "{line}{figures}");
    }
    assert_eq!(model.telemetry.count(Outcome::Failed), 0);
}

#[tokio::test]
async fn requests_wait_and_their_time_counts_before_the_queue_knows_of_them() {
    let (go_on, blocked) = Blocked::new();
    let model = metered_by(blocked.clone());
    let all: Vec<_> = (0..5).map(|_| Box::pin(model.submit(of(1)))).collect();
    let mut all = futures::future::join_all(all);
    assert!(futures::poll!(&mut all).is_pending());
    assert_eq!(model.waiting_and_running(), (5, 0));
    // The engine counts those two that are prepared, as soon as their threads have begun.
    while model.load().waiting > 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(model.load().waiting, 3);
    assert_eq!(model.load_of_all().waiting, 3);
    let before = Instant::now();
    drop(go_on);
    let answers = all.await;
    assert_eq!(model.load().waiting, 0);
    assert_eq!(model.waiting_and_running(), (5, 0));
    assert!(answers.iter().all(Result::is_ok));
    for _ in answers {
        let (asked, _) = blocked.held.take().unwrap();
        assert!(asked.accepted.unwrap() < before && asked.came.unwrap() < before);
    }
}

#[tokio::test]
async fn who_finds_no_turn_is_told_when_the_queue_may_have_a_place() {
    let wait = Duration::from_secs(42);
    let (go_on, blocked) = Blocked::full_for(wait);
    let model = metered_by(blocked);
    let all: Vec<_> = (0..64 + 2).map(|_| Box::pin(model.submit(of(1)))).collect();
    let mut all = futures::future::join_all(all);
    assert!(futures::poll!(&mut all).is_pending());
    let refused = model.submit(of(1)).await.err();
    assert!(
        matches!(refused, Some(Error::Busy { wait: Some(told), .. }) if told == wait),
        "{refused:?}"
    );
    drop(go_on);
    all.await;
}

#[tokio::test]
async fn the_time_of_a_question_counts_from_before_its_model_is_loaded() {
    let held = Arc::new(Held::default());
    let loaded = Arc::new(std::sync::Mutex::new(None));
    let (of_load, when) = (held.clone(), loaded.clone());
    let offer = Offer {
        info: held.info().clone(),
        file: None,
        bytes: 1,
        kv_blocks: 0,
        keep: KeepAlive::Always,
        load: Box::new(move || {
            *when.lock().unwrap() = Some(Instant::now());
            Ok(of_load.clone() as Arc<dyn Generator>)
        }),
    };
    let models = Models::new(vec![offer], Box::new(|| None), Some(9), None);
    let telemetry = Telemetry::new(held.info(), 0, 1.0).unwrap();
    let model = Metered::new(models, Arc::new(telemetry));
    let _answer = model.submit(request()).await.unwrap();
    let accepted = held.take().unwrap().0.accepted.unwrap();
    assert!(accepted <= loaded.lock().unwrap().unwrap());
    // Who read it earlier says so.
    let read = Some(accepted - Duration::from_secs(1));
    let asked = Request {
        accepted: read,
        ..request()
    };
    let _answer = model.submit(asked).await.unwrap();
    assert_eq!(held.take().unwrap().0.accepted, read);
}

#[tokio::test]
async fn an_answer_knows_how_many_of_other_models_were_open_meanwhile() {
    let held = [Held::default(), Held::default()].map(Arc::new);
    let offers = held.iter().zip(["one", "two"]).map(|(held, id)| {
        let loaded = held.clone();
        let mut info = held.info().clone();
        info.id = id.to_owned();
        Offer {
            info,
            file: None,
            bytes: 1,
            kv_blocks: 0,
            keep: KeepAlive::Always,
            load: Box::new(move || Ok(loaded.clone() as Arc<dyn Generator>)),
        }
    });
    let models = Models::new(offers.collect(), Box::new(|| None), None, None);
    let telemetry = Telemetry::new(held[0].info(), 0, 1.0).unwrap();
    let first = Metered::new(models, Arc::new(telemetry));
    let second = first.beside(1).unwrap();
    let others = async |model: &mut MeteredAnswer, held: &Held| {
        held.take().unwrap().1.send(Event::Finished(Completion {
            finish_reason: FinishReason::Stop,
            prompt_tokens: 1,
            cached_tokens: 0,
            token_ids: Vec::new(),
            metrics: Metrics::default(),
        }));
        match model.next().await {
            Some(Event::Finished(completion)) => completion.metrics.beside_engines,
            event => panic!("{event:?}"),
        }
    };
    let mut alone = first.submit(request()).await.unwrap();
    assert_eq!(others(&mut alone, &held[0]).await, 0);
    drop(alone);
    let mut slow = first.submit(request()).await.unwrap();
    for _ in 0..2 {
        let mut beside = second.submit(request()).await.unwrap();
        assert_eq!(others(&mut beside, &held[1]).await, 1);
    }
    // What has ended since was there.
    assert_eq!(others(&mut slow, &held[0]).await, 1);
}

#[tokio::test]
async fn an_answer_that_fails_is_counted_once() {
    let (held, model) = metered();
    let mut answer = model.submit(request()).await.unwrap();
    let (_, sender) = held.take().unwrap();
    sender.send(Event::Failed(Error::Stopped));
    drop(sender);
    while answer.next().await.is_some() {}
    drop(answer);
    assert_eq!(model.telemetry.count(Outcome::Failed), 1);
    assert_eq!(model.telemetry.count(Outcome::Abandoned), 0);
    assert_eq!(model.waiting_and_running(), (0, 0));
}

#[tokio::test]
async fn when_the_program_ends_open_answers_are_waited_for_and_cut_off_and_new_ones_refused() {
    let (held, model) = metered();
    let answer = model.submit(request()).await.unwrap();
    let (_, sender) = held.take().unwrap();
    model.refuse_from_now_on();
    assert!(matches!(model.submit(request()).await, Err(Error::Ending)));
    let waiter = tokio::spawn({
        let model = model.clone();
        async move { model.all_ended().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiter.is_finished() && !sender.is_stopped());
    model.cut_off();
    assert!(sender.is_stopped() && answer.is_cut_off());
    drop(answer);
    waiter.await.unwrap();
}

#[test]
fn an_answer_that_comes_just_after_all_were_cut_off_is_cut_off_too() {
    let open = open::OpenAnswers::default();
    let [before, after] = [Stopper::default(), Stopper::default()];
    let before_it = open.enter(before.clone(), 0);
    open.cut_off();
    let after_it = open.enter(after.clone(), 0);
    assert!(before.is_stopped() && before_it.is_cut_off());
    assert!(after.is_stopped() && after_it.is_cut_off());
}

#[tokio::test]
async fn a_prompt_in_preparation_is_waited_for_and_then_cut_off() {
    let (end, blocked) = Blocked::new();
    let model = metered_by(blocked);
    let (asking, waiter) = (model.clone(), model.clone());
    let asked = tokio::spawn(async move { asking.submit(request()).await.err() });
    tokio::task::yield_now().await;
    model.refuse_from_now_on();
    let waiter = tokio::spawn(async move { waiter.all_ended().await });
    tokio::task::yield_now().await;
    assert!(!waiter.is_finished());
    model.cut_off();
    assert!(matches!(asked.await.unwrap(), Some(Error::Ending)));
    waiter.await.unwrap();
    drop(end);
}

#[tokio::test]
async fn whoever_asks_often_keeps_nobody_else_out_of_the_preparation() {
    let (go_on, blocked) = Blocked::new();
    let model = metered_by(blocked);
    let all: Vec<_> = (0..64 + 2).map(|_| Box::pin(model.submit(of(1)))).collect();
    let mut all = futures::future::join_all(all);
    assert!(futures::poll!(&mut all).is_pending());
    assert!(matches!(
        model.submit(of(1)).await,
        Err(Error::Busy { limit: 64, .. })
    ));
    let mut other = Box::pin(model.submit(of(2)));
    assert!(futures::poll!(&mut other).is_pending());
    // The two in work, the one whose turn comes before, and the other's.
    for _ in 0..4 {
        go_on.send(()).unwrap();
    }
    tokio::select! {
        answer = &mut other => assert!(answer.is_ok()),
        _ = &mut all => panic!("the other caller waits for all of them"),
    }
    drop(go_on);
    assert!(all.await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn the_end_of_the_program_is_heard_of_when_it_comes() {
    let (_, model) = metered();
    let ends = model.ends();
    tokio::pin!(ends);
    assert!(futures::poll!(ends.as_mut()).is_pending());
    model.refuse_from_now_on();
    assert!(futures::poll!(ends.as_mut()).is_ready());
    assert!(model.is_ending());
}
