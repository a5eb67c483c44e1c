//! Lists of more prompts and inputs than have places in the queue at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures::FutureExt;
use futures::future::{join_all, join3};
use nibble_engine::{
    Answer, AnswerSender, Completion, FinishReason, Learned, ModelInfo, Pooling, PromptLogprobs,
};

use super::*;
use crate::models::Models;
use crate::test_support::blocked::Blocked;
use crate::test_support::client::{send_to, state};

/// Has so many places, says each prompt again, and lets none go before its time.
struct Places {
    info: ModelInfo,
    limit: usize,
    taken: Arc<AtomicUsize>,
    most: AtomicUsize,
    /// How many it has taken, and how often it then has no place.
    accepted: AtomicUsize,
    refusals: Mutex<usize>,
}

impl Places {
    fn new(limit: usize, refusals: usize) -> Arc<Self> {
        Arc::new(Self {
            info: scripted().info().clone(),
            limit,
            taken: Arc::default(),
            most: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            refusals: Mutex::new(refusals),
        })
    }
}

impl Generator for Places {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn queue(&self) -> usize {
        self.limit
    }

    fn submit(&self, request: nibble_engine::Request) -> Result<Answer, Error> {
        request.check()?;
        let busy = || Error::Busy {
            waiting: self.limit,
            limit: self.limit,
            wait: None,
        };
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals > 0 && self.accepted.load(Ordering::SeqCst) >= self.limit {
            *refusals -= 1;
            return Err(busy());
        }
        let taken = self.taken.fetch_add(1, Ordering::SeqCst) + 1;
        if taken > self.limit {
            self.taken.fetch_sub(1, Ordering::SeqCst);
            return Err(busy());
        }
        self.most.fetch_max(taken, Ordering::SeqCst);
        self.accepted.fetch_add(1, Ordering::SeqCst);
        let (sender, answer) = Answer::channel();
        let places = Arc::clone(&self.taken);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(1));
            places.fetch_sub(1, Ordering::SeqCst);
            say_again(&request, &sender);
        });
        Ok(answer)
    }
}

fn say_again(request: &nibble_engine::Request, sender: &AnswerSender) {
    let Prompt::Raw(text) = &request.prompt else {
        return;
    };
    sender.send(Event::Prefill { done: 2, total: 2 });
    if request.wanted.prompt_logprobs.is_some() {
        sender.send(Event::Learned(Learned::Prompt(PromptLogprobs {
            first: 1,
            first_bytes: text.clone().into_bytes(),
            rest: Vec::new(),
        })));
    }
    if request.wanted.embedding == Some(Pooling::Mean) {
        let states = vec![text.parse().unwrap(), 0.0];
        sender.send(Event::Learned(Learned::Embedding(states)));
    } else {
        sender.send(Event::Text(format!(" {text}")));
    }
    sender.send(ended());
}

/// So many prompts, each of which is its place.
fn prompts(count: usize) -> Vec<String> {
    (0..count).map(|prompt| prompt.to_string()).collect()
}

async fn body(response: axum::response::Response) -> Value {
    let status = response.status();
    let body = text(response).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The events of a stream, which ends as it should.
async fn events(response: axum::response::Response) -> Vec<Value> {
    let wire = text(response).await;
    let events = wire.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut events: Vec<_> = events.collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let events = events.into_iter().map(serde_json::from_str);
    events.map(Result::unwrap).collect()
}

#[tokio::test]
async fn more_prompts_than_have_places_are_answered_in_order() {
    for (count, n) in [(20, 1), (100, 1), (11, 3), (128, 8)] {
        let generator = Places::new(16, 3);
        let fields = json!({ "prompt": prompts(count), "n": n, "echo": true });
        let reply = body(send(generator.clone(), complete(fields)).await).await;
        let choices = reply["choices"].as_array().unwrap();
        assert_eq!(choices.len(), count * n);
        for (index, choice) in choices.iter().enumerate() {
            let prompt = index / n;
            assert_eq!(choice["index"], index);
            assert_eq!(choice["text"], format!("{prompt} {prompt}"));
        }
        assert_eq!(reply["usage"]["prompt_tokens"], 2 * count);
        assert_eq!(reply["usage"]["completion_tokens"], count * n);
        assert!(generator.most.load(Ordering::SeqCst) <= 16);
    }
}

#[tokio::test]
async fn they_are_streamed_as_they_come() {
    for logprobs in [Value::Null, json!(0)] {
        let generator = Places::new(16, 3);
        let fields = json!({
            "prompt": prompts(40), "n": 2, "echo": true, "logprobs": logprobs, "stream": true,
            "stream_options": { "include_usage": true },
        });
        let events = events(send(generator.clone(), complete(fields)).await).await;
        for choice in 0..80 {
            let own = events.iter().map(|event| &event["choices"][0]);
            let own: Vec<_> = own.filter(|own| own["index"] == choice).collect();
            let texts = own.iter().filter_map(|own| own["text"].as_str());
            let prompt = choice / 2;
            assert_eq!(texts.collect::<String>(), format!("{prompt} {prompt}"));
            assert_eq!(own.last().unwrap()["finish_reason"], "stop");
        }
        let usage = &events.last().unwrap()["usage"];
        assert_eq!(
            (&usage["prompt_tokens"], &usage["completion_tokens"]),
            (&json!(80), &json!(80))
        );
    }
}

#[tokio::test]
async fn a_prompt_has_its_place_when_another_has_ended_and_none_when_nobody_waits() {
    for stream in [true, false] {
        let generator = Arc::new(Held::default());
        let fields = json!({ "prompt": prompts(20), "stream": stream });
        let asked = send(generator.clone(), complete(fields));
        let reply = tokio::spawn(async move { text(asked.await).await });
        let mut open = Vec::new();
        for _ in 0..16 {
            open.push(taken(&generator).await);
        }
        assert!(generator.take().is_none(), "the others have to wait");
        for later in 16..19 {
            let (_, sender) = open.pop().unwrap();
            sender.send(ended());
            drop(sender);
            let next = taken(&generator).await;
            assert_eq!(next.0.prompt, Prompt::Raw(later.to_string()));
            assert!(generator.take().is_none());
            open.insert(0, next);
        }
        reply.abort();
        assert!(reply.await.is_err());
        assert!(open.iter().all(|(_, sender)| sender.is_abandoned()));
        drop(open);
        tokio::task::yield_now().await;
        assert!(generator.take().is_none());
    }
}

#[tokio::test]
async fn a_reader_that_stops_holds_no_turn_that_others_wait_for() {
    let (go_on, blocked) = Blocked::new();
    let server = state(Models::only(blocked.clone()));
    for _ in 0..16 {
        go_on.send(()).unwrap();
    }
    let fields = json!({ "prompt": prompts(40), "stream": true });
    let streamed = send_to(&server, complete(fields)).await;
    let mut begun: Vec<_> = (0..16).map(|_| blocked.held.take().unwrap().1).collect();
    // Chats have both places of those that are prepared.
    for _ in 0..2 {
        let server = server.clone();
        tokio::spawn(async move { send_to(&server, ask(question(json!({})))).await });
    }
    while blocked.given.load(Ordering::SeqCst) < 18 {
        tokio::task::yield_now().await;
    }
    // Two prompts more are asked for, which wait for these places, and their reader stops.
    for sender in begun.drain(..2) {
        sender.send(ended());
    }
    let mut read = streamed.into_body().into_data_stream();
    for _ in 0..100 {
        while let Some(Some(_)) = read.next().now_or_never() {}
        tokio::task::yield_now().await;
    }
    drop(go_on);
    let answering = async {
        for _ in 0..6 {
            let (request, sender) = taken(&blocked.held).await;
            if request.wanted.embedding.is_some() {
                sender.send(Event::Learned(Learned::Embedding(vec![1.0, 0.0])));
            }
            sender.send(ended());
        }
    };
    let chat = send_to(&server, ask(question(json!({}))));
    let embedded = send_to(&server, embed(&prompts(1)));
    let all = join3(chat, embedded, answering);
    let all = tokio::time::timeout(Duration::from_secs(20), all).await;
    let (chat, embedded, ()) = all.expect("nobody waits for who reads nothing");
    assert_eq!(
        (chat.status(), embedded.status()),
        (StatusCode::OK, StatusCode::OK)
    );
}

/// The end of an answer that says nothing.
fn ended() -> Event {
    Event::Finished(Completion {
        finish_reason: FinishReason::Stop,
        prompt_tokens: 2,
        cached_tokens: 0,
        token_ids: vec![5],
        metrics: nibble_engine::metrics::Metrics {
            completion_tokens: 1,
            ..Default::default()
        },
    })
}

#[tokio::test]
async fn a_list_has_bounds_that_are_told() {
    let long: Vec<_> = vec![vec![7; 200]; 1024];
    for (fields, message) in [
        (
            json!({ "prompt": prompts(129), "n": 8 }),
            "`n` for each prompt may make 1024 answers, found 1032",
        ),
        (
            json!({ "prompt": long, "echo": true, "logprobs": 5, "max_tokens": 1 }),
            "`logprobs` of all prompts may come to 1048576, found 1228800",
        ),
        (
            json!({ "prompt": prompts(1000), "logprobs": 5, "max_tokens": 1000 }),
            "`logprobs` of all answers may come to 4194304, found 6000000",
        ),
    ] {
        let (status, _, found) = refused(complete(fields)).await;
        assert_eq!((status, &*found), (400, message));
    }
    // What evaluations ask: 32 prompts of 2000 tokens each, and their likelihood.
    let texts = vec!["a b ".repeat(500); 32];
    let fields = json!({ "prompt": texts, "echo": true, "logprobs": 5, "max_tokens": 1 });
    let reply = body(send(scripted(), complete(fields)).await).await;
    assert_eq!(reply["choices"].as_array().unwrap().len(), 32);
}

fn embed(inputs: &[String]) -> Request<Body> {
    post("/api/embed", json!({ "input": inputs, "truncate": false }))
}

#[tokio::test]
async fn many_lists_of_inputs_are_embedded_side_by_side() {
    let generator = Places::new(64, 0);
    let server = state(Models::only(generator.clone()));
    let inputs: Vec<_> = prompts(200)
        .iter()
        .map(|input| format!("1{input}"))
        .collect();
    let asked = (0..40).map(|_| send_to(&server, embed(&inputs)));
    for reply in join_all(asked).await {
        let reply = body(reply).await;
        assert_eq!(reply["embeddings"].as_array().unwrap().len(), 200);
        assert_eq!(reply["prompt_eval_count"], 400);
    }
    // The others are for those who chat.
    assert!(generator.most.load(Ordering::SeqCst) <= 32);
}

#[tokio::test]
async fn inputs_wait_for_places_that_others_have() {
    let generator = Places::new(3, 4);
    let inputs: Vec<_> = (1..8).map(|input| input.to_string()).collect();
    let reply = body(send(generator, embed(&inputs)).await).await;
    assert_eq!(reply["embeddings"].as_array().unwrap().len(), 7);
}
