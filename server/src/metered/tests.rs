use futures::StreamExt;
use nibble_engine::metrics::Metrics;
use nibble_engine::{Completion, Event, FinishReason, Prompt, Sampling, Thinking};

use super::*;
use crate::models::Offer;
use crate::telemetry::Telemetry;
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
    let telemetry = Telemetry::new(held.info(), 0, 1.0).unwrap();
    let model = Metered::new(Models::only(held.clone()), Arc::new(telemetry));
    (held, model)
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
    assert_eq!(model.waiting_and_running(), (0, 0));
    assert_eq!(model.telemetry.count(Outcome::Abandoned), 1);
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

/// Prepares a prompt for as long as the test has the other end.
struct Slow(Held, std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl Generator for Slow {
    fn info(&self) -> &ModelInfo {
        self.0.info()
    }

    fn submit(&self, request: Request) -> Result<Answer, Error> {
        let _ = self.1.lock().unwrap().recv();
        self.0.submit(request)
    }
}

#[tokio::test]
async fn a_prompt_in_preparation_is_waited_for_and_then_cut_off() {
    let (end, held) = std::sync::mpsc::channel();
    let slow = Arc::new(Slow(Held::default(), held.into()));
    let telemetry = Telemetry::new(slow.info(), 0, 1.0).unwrap();
    let model = Metered::new(Models::only(slow), Arc::new(telemetry));
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
async fn the_end_of_the_program_is_heard_of_when_it_comes() {
    let (_, model) = metered();
    let ends = model.ends();
    tokio::pin!(ends);
    assert!(futures::poll!(ends.as_mut()).is_pending());
    model.refuse_from_now_on();
    assert!(futures::poll!(ends.as_mut()).is_ready());
    assert!(model.is_ending());
}
