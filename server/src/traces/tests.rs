//! What a collector gets of an answer, by a stand-in that listens on this machine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::HOST;
use axum::http::request::Builder;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::post;
use nibble_engine::metrics::Metrics;
use nibble_engine::{Error, Event};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span as SentSpan;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as SentKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SentStatus;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use super::*;
use crate::generator::Generator;
use crate::models::Models;
use crate::state::AppState;
use crate::test_support::browser::{Browser, form, message, settings, store};
use crate::test_support::client::taken;
use crate::test_support::held::Held;
use crate::test_support::scripted::{Scripted, offer};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const QUESTION: &str = r#"{"messages": [{"role": "user", "content": "Hi"}]}"#;

type Received = Arc<Mutex<Vec<ExportTraceServiceRequest>>>;

/// A server whose spans go to a collector that remembers them.
struct Traced {
    browser: Browser,
    traces: Traces,
    received: Received,
}

async fn receive(State(received): State<Received>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    received.lock().unwrap().push(request);
    StatusCode::OK
}

impl Traced {
    async fn new(generator: Arc<dyn Generator>) -> Self {
        Self::at(Models::only(generator)).await
    }

    async fn at(models: Arc<Models>) -> Self {
        let received = Received::default();
        let routes = Router::new()
            .route("/v1/traces", post(receive))
            .with_state(Arc::clone(&received));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let exporter = SpanExporter::builder().with_http();
        let exporter = exporter.with_endpoint(format!("http://{address}/v1/traces"));
        let traces = Traces::new(exporter).unwrap();
        let state = AppState::of(models, settings(), store(), Some(traces.clone()));
        Self {
            browser: Browser::at_server(state),
            traces,
            received,
        }
    }

    async fn scripted() -> Self {
        let scripted = Scripted::new(&["one ", "two"], Duration::ZERO);
        Self::new(Arc::new(scripted)).await
    }

    async fn ask(&self, request: Builder) {
        let request = request.header(HOST, "localhost");
        let reply = self.browser.send(request.body(QUESTION.into()).unwrap());
        assert_eq!(reply.await.status, StatusCode::OK);
    }

    /// The spans that were sent by the end of the program, by their names.
    async fn spans(self) -> HashMap<String, SentSpan> {
        let spans = self.all_spans().await.into_iter();
        spans.map(|span| (span.name.clone(), span)).collect()
    }

    /// The same, where several have one name.
    async fn all_spans(self) -> Vec<SentSpan> {
        let traces = self.traces;
        spawn_blocking(move || traces.finish()).await.unwrap();
        let received = std::mem::take(&mut *self.received.lock().unwrap());
        let spans = received
            .into_iter()
            .flat_map(|request| request.resource_spans)
            .flat_map(|of_resource| of_resource.scope_spans)
            .flat_map(|of_scope| of_scope.spans);
        spans.collect()
    }
}

fn question() -> Builder {
    axum::http::Request::post("/v1/chat/completions")
}

fn parent(sampled: bool) -> HeaderValue {
    let flags = u8::from(sampled);
    let parent = format!("00-{TRACE}-{CALLER}-{flags:02x}");
    HeaderValue::from_str(&parent).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(span: &SentSpan, key: &str) -> Option<String> {
    let mut attributes = span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key == key)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn milliseconds(span: &SentSpan, since: &SentSpan) -> [u64; 2] {
    [span.start_time_unix_nano, span.end_time_unix_nano]
        .map(|at| (at - since.start_time_unix_nano) / 1_000_000)
}

#[tokio::test]
async fn an_answer_has_spans_of_its_parts_under_its_request_under_the_callers() {
    let traced = Traced::scripted().await;
    traced
        .ask(
            question()
                .header("traceparent", parent(true))
                .header("x-request-id", "mine-1"),
        )
        .await;
    let spans = traced.spans().await;
    assert_eq!(spans.len(), 4, "{spans:?}");
    let request = &spans["chat scripted-1b"];
    assert_eq!(hex(&request.parent_span_id), CALLER);
    assert_eq!(request.kind(), SentKind::Server);
    for (key, value) in [
        ("nibble.outcome", "complete"),
        ("nibble.request_id", "mine-1"),
        ("nibble.finish_reason", "stop"),
        ("gen_ai.request.model", "scripted-1b"),
        ("gen_ai.usage.input_tokens", "10"),
        ("gen_ai.usage.output_tokens", "2"),
    ] {
        assert_eq!(text(request, key).as_deref(), Some(value), "{key}");
    }
    let waiting = &spans["waiting"];
    for (name, times) in [
        ("waiting", [0, 0]),
        ("prefill", [0, 200]),
        ("decode", [250, 1250]),
    ] {
        let part = &spans[name];
        assert_eq!(hex(&part.trace_id), TRACE);
        assert_eq!(part.parent_span_id, request.span_id, "{name}");
        assert_eq!(milliseconds(part, waiting), times, "{name}");
    }
    assert!(request.start_time_unix_nano <= waiting.start_time_unix_nano);
}

#[tokio::test]
async fn a_message_of_the_page_belongs_to_its_callers_trace_too() {
    let traced = Traced::scripted().await;
    let mut posted = form("/api/send", &message("", "what?"), "text/html");
    posted.headers_mut().insert("traceparent", parent(true));
    let reply = traced.browser.send(posted).await;
    // The page comes when its answer is complete.
    traced.browser.get(reply.location()).await;
    let spans = traced.spans().await;
    let request = &spans["chat scripted-1b"];
    assert_eq!(hex(&request.trace_id), TRACE);
    assert_eq!(hex(&request.parent_span_id), CALLER);
    assert!(spans.contains_key("decode"));
}

#[tokio::test]
async fn a_message_that_waits_for_the_one_before_belongs_to_its_callers_trace_too() {
    let held = Arc::new(Held::default());
    let traced = Traced::new(held.clone()).await;
    let first = message("", "one");
    let first = traced.browser.post_json("/api/send", &first);
    let first = first.await.json();
    let conversation = first["conversation"].as_str().unwrap();
    let mut posted = form("/api/send", &message(conversation, "two"), "text/html");
    posted.headers_mut().insert("traceparent", parent(true));
    posted
        .headers_mut()
        .insert("x-request-id", HeaderValue::from_static("mine-2"));
    traced.browser.send(posted).await;
    for _ in 0..2 {
        // It is over at once.
        drop(taken(&held).await);
    }
    let page = format!("/c/{conversation}");
    traced.browser.get(&page).await;
    let spans = traced.all_spans().await;
    let mut requests = spans.iter().filter(|span| span.name == "chat scripted-1b");
    let second = requests.find(|span| hex(&span.trace_id) == TRACE);
    let second = second.unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!(hex(&second.parent_span_id), CALLER);
    assert_eq!(text(second, "nibble.request_id").as_deref(), Some("mine-2"));
}

#[tokio::test]
async fn an_answer_whose_model_is_loaded_first_belongs_to_its_callers_trace_too() {
    let models = Models::new(
        vec![offer("slow", None)],
        Box::new(|| None),
        Some(100),
        None,
    );
    let traced = Traced::at(models).await;
    let request = question()
        .header(HOST, "localhost")
        .header("traceparent", parent(true))
        .header("x-request-id", "mine-3");
    let body = QUESTION.replacen('{', r#"{"stream": true, "#, 1);
    let reply = traced
        .browser
        .send(request.body(body.into()).unwrap())
        .await;
    assert!(reply.body.contains("I am "), "{}", reply.body);
    let spans = traced.spans().await;
    let request = &spans["chat slow"];
    assert_eq!(hex(&request.trace_id), TRACE);
    assert_eq!(hex(&request.parent_span_id), CALLER);
    assert_eq!(
        text(request, "nibble.request_id").as_deref(),
        Some("mine-3")
    );
}

#[tokio::test]
async fn without_a_caller_that_traces_a_request_begins_a_trace() {
    let traced = Traced::scripted().await;
    traced.ask(question()).await;
    let request = &traced.spans().await["chat scripted-1b"];
    assert!(request.parent_span_id.is_empty());
    assert_ne!(request.trace_id, [0; 16]);
}

#[tokio::test]
async fn what_the_caller_does_not_sample_is_not_sent() {
    let traced = Traced::scripted().await;
    traced
        .ask(question().header("traceparent", parent(false)))
        .await;
    assert!(traced.spans().await.is_empty());
}

#[tokio::test]
async fn an_answer_that_fails_has_a_span_that_says_so_and_those_of_the_parts_it_came_to() {
    let held = Arc::new(Held::default());
    let traced = Traced::new(held.clone()).await;
    let request = question().header(HOST, "localhost");
    let asked = traced.browser.send(request.body(QUESTION.into()).unwrap());
    let failing = async {
        loop {
            if let Some((_, sender)) = held.take() {
                sender.send(Event::Prefill { done: 0, total: 2 });
                return sender.send(Event::Failed(Error::Broken));
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(asked, failing);
    let spans = traced.spans().await;
    assert_eq!(spans.len(), 3, "{spans:?}");
    let request = &spans["chat scripted-1b"];
    for part in ["waiting", "prefill"] {
        assert_eq!(spans[part].parent_span_id, request.span_id, "{part}");
    }
    assert_eq!(text(request, "nibble.outcome").as_deref(), Some("failed"));
    let status = request.status.as_ref().unwrap();
    assert_eq!(status.code(), SentStatus::Error);
}

#[test]
fn traces_are_off_unless_a_collector_is_named() {
    let wanted = |variables: &[(&str, &str)]| {
        is_wanted(|name| {
            let found = variables.iter().find(|(found, _)| *found == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    };
    let (all, traces) = (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    );
    assert!(!wanted(&[]));
    assert!(!wanted(&[(all, "")]));
    assert!(wanted(&[(all, "http://localhost:4318")]));
    assert!(wanted(&[(traces, "http://localhost:4318/v1/traces")]));
    assert!(!wanted(&[(all, "http://x"), ("OTEL_SDK_DISABLED", "true")]));
    assert!(!wanted(&[
        (all, "http://x"),
        ("OTEL_TRACES_EXPORTER", "none")
    ]));
}

#[test]
fn parts_that_an_answer_did_not_come_to_are_absent() {
    let mut completion = Completion {
        finish_reason: FinishReason::Cancelled,
        prompt_tokens: 10,
        cached_tokens: 0,
        token_ids: Vec::new(),
        metrics: Metrics {
            queued_s: 2.0,
            total_s: 2.0,
            ..Metrics::default()
        },
    };
    let accepted = SystemTime::now();
    let after = |seconds| accepted + Duration::from_secs(seconds);
    let waiting = ("waiting", [accepted, after(2)]);
    assert_eq!(parts(accepted, &completion), [waiting]);
    completion.metrics.prefill_s = Some(3.0);
    let prefill = ("prefill", [after(2), after(5)]);
    assert_eq!(parts(accepted, &completion), [waiting, prefill]);
}

#[test]
fn an_answer_without_figures_has_the_parts_that_were_seen_of_it() {
    let mut course = Course::new(SystemTime::now());
    let names = |course: &Course| {
        let now = SystemTime::now();
        let parts = course.parts(now);
        assert_eq!(parts.last().unwrap().1[1], now);
        let names = parts.into_iter().map(|(name, _)| name);
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&course), ["waiting"]);
    course.begins();
    assert_eq!(names(&course), ["waiting", "prefill"]);
    course.puts_out();
    assert_eq!(names(&course), ["waiting", "prefill", "decode"]);
}
