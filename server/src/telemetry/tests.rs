//! The page and the API count alike, and what Prometheus reads has the form that it wants.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{Request, StatusCode};

use nibble_engine::metrics::Metrics;
use nibble_engine::{Answer, Error, FinishReason};

use super::*;
use crate::generator::Generator;
use crate::test_support::browser::{Browser, message};
use crate::test_support::scripted::Scripted;

// Some of its figures are told on Linux alone.
#[cfg(target_os = "linux")]
mod board;

impl Telemetry {
    pub(crate) fn count(&self, outcome: Outcome) -> u64 {
        self.requests.with_label_values(&[outcome.label()]).get()
    }
}

fn browser() -> Browser {
    Browser::scripted(&["one ", "two ", "three"], Duration::ZERO)
}

async fn ask_api(browser: &Browser, body: &'static str) -> StatusCode {
    let request = Request::post("/v1/chat/completions").header(HOST, "localhost");
    browser
        .send(request.body(Body::from(body)).unwrap())
        .await
        .status
}

const QUESTION: &str = r#"{"messages": [{"role": "user", "content": "Hi"}]}"#;

/// The value of a line of `/metrics`.
async fn figure(browser: &Browser, name: &str) -> f64 {
    let text = browser.get("/metrics").await.body;
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let value = value.unwrap_or_else(|| panic!("no `{name}` in {text}"));
    value.trim().parse().unwrap()
}

#[tokio::test]
async fn an_answer_of_the_page_and_one_of_the_api_count_alike() {
    let browser = browser();
    let posted = browser.post_form("/api/send", &message("", "what?")).await;
    // The page comes when its answer is complete.
    browser.get(posted.location()).await;
    assert_eq!(ask_api(&browser, QUESTION).await, StatusCode::OK);
    for (name, expected) in [
        ("nibble_requests_total{outcome=\"complete\"}", 2.0),
        ("nibble_prompt_tokens_total{source=\"computed\"}", 20.0),
        ("nibble_output_tokens_total", 6.0),
        ("nibble_time_to_first_token_seconds_count", 2.0),
        ("nibble_time_to_first_token_seconds_sum", 0.5),
        (
            "nibble_time_per_output_token_seconds_bucket{le=\"0.02\"}",
            0.0,
        ),
        (
            "nibble_time_per_output_token_seconds_bucket{le=\"0.03\"}",
            2.0,
        ),
        ("nibble_request_seconds_sum", 2.5),
        ("nibble_requests_running", 0.0),
        ("nibble_requests_waiting", 0.0),
        ("nibble_price_usd_per_hour", 0.94256),
    ] {
        assert_eq!(figure(&browser, name).await, expected, "{name}");
    }
    // Each at its own price: 3.6 dollars an hour on the page, the server's own in the API.
    let usd = figure(&browser, "nibble_answers_cost_usd_total").await;
    assert!(
        (usd - (0.00125 + 0.94256 / 3600.0 * 1.25)).abs() < 1e-12,
        "{usd}"
    );
    assert!(figure(&browser, "nibble_machine_cost_usd_total").await > 0.0);
}

/// A figure of the scripted model under vLLM's name.
fn of_model(name: &str) -> String {
    format!("{name}{{model_name=\"scripted-1b\"}}")
}

fn telemetry() -> Telemetry {
    let scripted = Scripted::new(&[], Duration::ZERO);
    Telemetry::new(scripted.info(), 0, 1.0).unwrap()
}

#[test]
fn what_an_answer_took_is_told_under_vllms_names() {
    let telemetry = telemetry();
    let completion = Completion {
        finish_reason: FinishReason::Length,
        prompt_tokens: 10,
        cached_tokens: 4,
        token_ids: vec![1, 2, 3],
        metrics: Metrics {
            time_to_first_token_s: Some(3.0),
            queued_s: 1.0,
            prefill_s: Some(1.5),
            total_s: 3000.0,
            completion_tokens: 3,
            token_gaps_s: vec![0.5, 2996.5],
            ..Metrics::default()
        },
    };
    telemetry.answered(Outcome::Length, &completion);
    let text = telemetry.render(&Load::default()).unwrap();
    for (name, sum, count) in [
        ("vllm:time_to_first_token_seconds", "3", 1),
        ("vllm:e2e_request_latency_seconds", "3000", 1),
        ("vllm:request_queue_time_seconds", "1", 1),
        ("vllm:request_prefill_time_seconds", "2", 1),
        ("vllm:request_decode_time_seconds", "2997", 1),
        ("vllm:request_prompt_tokens", "10", 1),
        ("vllm:request_generation_tokens", "3", 1),
        ("vllm:inter_token_latency_seconds", "2997", 2),
    ] {
        let sum = format!("{} {sum}\n", of_model(&format!("{name}_sum")));
        let count = format!("{} {count}\n", of_model(&format!("{name}_count")));
        assert!(text.contains(&sum) && text.contains(&count), "{sum}{text}");
    }
    for line in [
        "nibble_inter_token_seconds_bucket{le=\"0.5\"} 1\n",
        "nibble_request_seconds_bucket{le=\"7680\"} 1\n",
        "nibble_request_seconds_bucket{le=\"1920\"} 0\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[test]
fn requests_that_end_count_under_vllms_reasons() {
    let telemetry = telemetry();
    for outcome in Outcome::ALL {
        telemetry.ended(outcome);
    }
    let reasons = ["stop", "length", "abort", "error"];
    let counted = reasons.map(|reason| telemetry.finished.with_label_values(&[reason]).get());
    assert_eq!(counted, [1, 1, 4, 1]);
    let text = telemetry.render(&Load::default()).unwrap();
    let stopped =
        "vllm:request_success_total{finished_reason=\"stop\",model_name=\"scripted-1b\"} 1\n";
    assert!(text.contains(stopped), "{text}");
}

#[test]
fn scrapes_at_the_same_time_count_nothing_twice() {
    let (telemetry, put_out) = (telemetry(), AtomicU64::new(0));
    let counter = || {
        let text = telemetry.render(&Load::default()).unwrap();
        let name = of_model("vllm:generation_tokens_total");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.unwrap().trim().parse::<f64>().unwrap()
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let output_tokens = put_out.fetch_add(1, Ordering::SeqCst) + 1;
                    telemetry.show(&Load {
                        output_tokens,
                        ..Load::default()
                    });
                }
            });
        }
        for _ in 0..20 {
            let counted = counter();
            assert!(counted <= put_out.load(Ordering::SeqCst) as f64);
        }
    });
    assert_eq!(counter(), 40_000.0);
}

#[tokio::test]
async fn a_request_that_is_refused_counts_as_invalid() {
    let browser = browser();
    assert_eq!(ask_api(&browser, "{}").await, StatusCode::BAD_REQUEST);
    let invalid = "nibble_requests_total{outcome=\"invalid\"}";
    assert_eq!(figure(&browser, invalid).await, 1.0);
}

#[tokio::test]
async fn every_figure_says_what_it_is_in_the_text_form_of_prometheus() {
    let reply = browser().get("/metrics").await;
    assert_eq!(reply.headers[CONTENT_TYPE], "text/plain; version=0.0.4");
    let mut names: Vec<&str> = reply
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| name.starts_with("nibble_") || name.starts_with("vllm:"))
        .collect();
    names.sort_unstable();
    insta::assert_snapshot!(names.join("\n"));
    for name in names {
        assert!(reply.body.contains(&format!("# HELP {name} ")), "{name}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_memory_of_the_process_is_there() {
    assert!(figure(&browser(), "process_resident_memory_bytes").await > 1e6);
}

#[tokio::test]
async fn figures_are_for_known_hosts_only() {
    for (host, status) in [("chat.example:3000", 200), ("evil.example", 421)] {
        let request = Request::get("/metrics").header(HOST, host);
        let reply = browser().send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(reply.status.as_u16(), status, "{host}");
    }
}

struct Busy(ModelInfo);

impl Generator for Busy {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn load(&self) -> Load {
        Load {
            waiting: 3,
            running: 2,
            paused: 1,
            kv_blocks: 200,
            kv_blocks_used: 70,
            kv_blocks_cached: 20,
            prefix_queries: 900,
            prefix_hits: 300,
            prefix_disk_hits: 100,
            prefix_disk_bytes: 9000,
            prompt_tokens: 800,
            output_tokens: 70,
            drafted_tokens: 60,
            accepted_tokens: 45,
            drafted_by_model: 20,
            accepted_by_model: 15,
            preemptions: 4,
            panics: 0,
            busy: Duration::from_millis(2500),
        }
    }

    fn submit(&self, _: nibble_engine::Request) -> Result<Answer, Error> {
        Err(Error::Stopped)
    }
}

#[tokio::test]
async fn what_the_engine_is_doing_is_told_under_our_names_and_under_vllms() {
    let info = Scripted::new(&[], Duration::ZERO).info().clone();
    let browser = Browser::new(Arc::new(Busy(info)));
    for _ in 0..2 {
        for (name, alias, expected) in [
            ("nibble_answers_running", "vllm:num_requests_running", 2.0),
            ("nibble_kv_usage_ratio", "vllm:kv_cache_usage_perc", 0.25),
            ("nibble_kv_usage_ratio", "vllm:gpu_cache_usage_perc", 0.25),
            (
                "nibble_prefix_queries_total",
                "vllm:prefix_cache_queries_total",
                900.0,
            ),
            (
                "nibble_prefix_hits_total",
                "vllm:prefix_cache_hits_total",
                300.0,
            ),
            (
                "nibble_engine_prompt_tokens_total",
                "vllm:prompt_tokens_total",
                800.0,
            ),
            (
                "nibble_engine_output_tokens_total",
                "vllm:generation_tokens_total",
                70.0,
            ),
            (
                "nibble_drafted_tokens_total",
                "vllm:spec_decode_num_draft_tokens_total",
                60.0,
            ),
            (
                "nibble_accepted_tokens_total",
                "vllm:spec_decode_num_accepted_tokens_total",
                45.0,
            ),
            (
                "nibble_preemptions_total",
                "vllm:num_preemptions_total",
                4.0,
            ),
        ] {
            assert_eq!(figure(&browser, name).await, expected, "{name}");
            assert_eq!(
                figure(&browser, &of_model(alias)).await,
                expected,
                "{alias}"
            );
        }
    }
    // One that is paused waits, too, as vLLM counts.
    let waiting = of_model("vllm:num_requests_waiting");
    assert_eq!(figure(&browser, &waiting).await, 4.0);
    for (name, expected) in [
        ("nibble_answers_waiting", 3.0),
        ("nibble_answers_paused", 1.0),
        ("nibble_prefix_disk_hits_total", 100.0),
        ("nibble_prefix_disk_bytes", 9000.0),
        ("nibble_engine_busy_seconds_total", 2.5),
        ("nibble_draft_model_drafted_tokens_total", 20.0),
        ("nibble_draft_model_accepted_tokens_total", 15.0),
    ] {
        assert_eq!(figure(&browser, name).await, expected, "{name}");
    }
    let cache = "vllm:cache_config_info{block_size=\"32\",model_name=\"scripted-1b\",num_gpu_blocks=\"200\"}";
    assert_eq!(figure(&browser, cache).await, 1.0);
}
