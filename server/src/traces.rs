//! OpenTelemetry traces of answers, for the collector that the environment names; without one there is nothing of it.
//!
//! An answer has a span of its request and, under it, spans of waiting, prefill and decode. These are made when the
//! answer ends, from the times that it carries, so that no token waits for them. A thread of the SDK sends them by HTTP.

use std::env;
use std::time::{Duration, SystemTime};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use nibble_engine::{Completion, FinishReason};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{
    FutureExt, Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, Key, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_otlp::{
    ExporterBuildError, HttpExporterBuilderSet, SpanExporter, SpanExporterBuilder, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use self::collector::Collector;
use crate::request_id;
use crate::telemetry::Outcome;

mod collector;
#[cfg(test)]
mod tests;

/// What is left to send at the end of the program gets this long.
const FLUSH: Duration = Duration::from_secs(2);

/// Where spans go; cheap to clone.
#[derive(Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// To the collector that `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or `OTEL_EXPORTER_OTLP_ENDPOINT` names; none where
    /// neither does. Other variables of OpenTelemetry's SDK hold as well: headers, sampler, resource, sizes of batches.
    ///
    /// # Errors
    /// When the address is none, or what is asked for is not built in, such as compression.
    pub fn from_environment() -> Result<Option<Self>, ExporterBuildError> {
        let variable = |name: &str| env::var(name).ok();
        is_wanted(variable)
            .then(|| Self::new(SpanExporter::builder().with_http()))
            .transpose()
    }

    fn new(
        exporter: SpanExporterBuilder<HttpExporterBuilderSet>,
    ) -> Result<Self, ExporterBuildError> {
        let exporter = exporter.with_http_client(Collector::new()).build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource())
            .build();
        let tracer = provider.tracer("nibble");
        Ok(Self { provider, tracer })
    }

    /// Sends what is left, which may take a moment and blocks; nothing is taken afterwards.
    pub fn finish(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "the last traces may not have been sent");
        }
    }

    /// Begins the span of a request for an answer, under the one that [`follow`] found.
    pub(crate) fn begin(&self, model: &str) -> RequestTrace {
        let span = self
            .tracer
            .span_builder(format!("chat {model}"))
            .with_kind(SpanKind::Server)
            .with_attributes(
                [
                    KeyValue::new("gen_ai.operation.name", "chat"),
                    KeyValue::new("gen_ai.request.model", model.to_owned()),
                ]
                .into_iter()
                .chain(request_id::current().map(|id| KeyValue::new("nibble.request_id", id))),
            );
        let parent = Context::current();
        let span = self.tracer.build_with_context(span, &parent);
        RequestTrace {
            tracer: self.tracer.clone(),
            request: parent.with_span(span),
        }
    }
}

/// Whether the environment asks for traces.
fn is_wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is = |name, value: &str| {
        variable(name).is_some_and(|found| found.trim().eq_ignore_ascii_case(value))
    };
    let is_named = [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ]
    .into_iter()
    .any(|name| variable(name).is_some_and(|found| !found.trim().is_empty()));
    is_named && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
}

/// Who sends the spans: as the environment says, else `nibble`.
fn resource() -> Resource {
    let name = Key::from_static_str("service.name");
    let detected = Resource::builder().build();
    let is_named = detected
        .get(&name)
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    match is_named {
        true => resource.build(),
        false => resource.with_service_name("nibble").build(),
    }
}

/// Takes the caller's trace from `traceparent` and `tracestate`, so that spans of the request belong to it.
pub(crate) async fn follow(request: Request, next: Next) -> Response {
    let headers = HeaderExtractor(request.headers());
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    next.run(request).with_context(parent).await
}

/// The open span of a request. Where it is dropped it just ends.
pub(crate) struct RequestTrace {
    tracer: SdkTracer,
    request: Context,
}

impl RequestTrace {
    /// Ends it with what became of the request and, where there was an answer, with how far that came: by what the engine told
    /// at its end, else by what was seen of it.
    pub(crate) fn end(self, outcome: Outcome, answer: Option<(&Course, Option<&Completion>)>) {
        let request = self.request.span();
        request.set_attribute(KeyValue::new("nibble.outcome", outcome.label()));
        match outcome {
            Outcome::Failed => request.set_status(Status::error("the answer failed")),
            Outcome::TimedOut => {
                request.set_status(Status::error("the answer took longer than allowed"));
            }
            _ => {}
        }
        if let Some((course, completion)) = answer {
            let parts = match completion {
                Some(completion) => {
                    request.set_attributes(figures(completion));
                    parts(course.accepted, completion)
                }
                None => course.parts(SystemTime::now()),
            };
            for (name, [start, end]) in parts {
                self.part(name, start, end);
            }
        }
        request.end();
    }

    fn part(&self, name: &'static str, start: SystemTime, end: SystemTime) {
        let span = self.tracer.span_builder(name).with_start_time(start);
        let mut span = self.tracer.build_with_context(span, &self.request);
        span.end_with_timestamp(end);
    }
}

/// When an answer came how far, as its events tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    accepted: SystemTime,
    began: Option<SystemTime>,
    first_token: Option<SystemTime>,
}

impl Course {
    /// Of a request that was accepted then.
    pub(crate) fn new(accepted: SystemTime) -> Self {
        Self {
            accepted,
            began: None,
            first_token: None,
        }
    }

    /// The model works on it.
    pub(crate) fn begins(&mut self) {
        self.began.get_or_insert_with(SystemTime::now);
    }

    /// A token came out.
    pub(crate) fn puts_out(&mut self) {
        let now = SystemTime::now();
        self.began.get_or_insert(now);
        self.first_token.get_or_insert(now);
    }

    /// Its parts, the last of which ends now.
    fn parts(&self, now: SystemTime) -> Vec<Part> {
        let waiting = [self.accepted, self.began.unwrap_or(now)];
        let prefill = self
            .began
            .map(|began| [began, self.first_token.unwrap_or(now)]);
        let decode = self.first_token.map(|first| [first, now]);
        named([Some(waiting), prefill, decode])
    }
}

/// A part of an answer, from and to a time.
type Part = (&'static str, [SystemTime; 2]);

/// Parts by their names, but for those that an answer did not come to.
fn named(parts: [Option<[SystemTime; 2]>; 3]) -> Vec<Part> {
    let named = ["waiting", "prefill", "decode"].into_iter().zip(parts);
    named
        .filter_map(|(name, part)| Some((name, part?)))
        .collect()
}

/// The parts of an answer that was accepted then, by what the engine told at its end.
fn parts(accepted: SystemTime, completion: &Completion) -> Vec<Part> {
    let metrics = &completion.metrics;
    let began = metrics.queued_s;
    let prefill = metrics.prefill_s.map(|took| [began, began + took]);
    let decode = metrics
        .time_to_first_token_s
        .map(|first| [first, metrics.total_s]);
    let at = |seconds| accepted + Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let times = [Some([0.0, began]), prefill, decode];
    named(times.map(|times| times.map(|times| times.map(at))))
}

/// What OpenTelemetry's conventions for language models call them.
fn figures(completion: &Completion) -> [KeyValue; 4] {
    let reason = match completion.finish_reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::Context => "context",
        FinishReason::Repetition => "repetition",
        FinishReason::Cancelled => "cancelled",
    };
    let count = |tokens: usize| i64::try_from(tokens).unwrap_or(i64::MAX);
    [
        KeyValue::new("gen_ai.usage.input_tokens", count(completion.prompt_tokens)),
        KeyValue::new(
            "gen_ai.usage.output_tokens",
            count(completion.metrics.completion_tokens),
        ),
        KeyValue::new("nibble.cached_tokens", count(completion.cached_tokens)),
        KeyValue::new("nibble.finish_reason", reason),
    ]
}
