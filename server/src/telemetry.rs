//! What a monitoring system may know, in Prometheus' text form.
//!
//! Figures of answers come from the engine's own clock, which every answer carries; what belongs to the machine is read
//! when it is asked for. A figure that could not be measured is not observed, so it drags no average down.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use nibble_engine::cgroup::Cgroup;
use nibble_engine::{Completion, Load, ModelInfo};
use prometheus::{
    Counter, Gauge, Histogram, IntCounter, IntCounterVec, IntGauge, Registry, TextEncoder,
};

use self::engine_load::EngineLoad;
use self::register::Register;

mod engine_load;
mod register;
#[cfg(test)]
mod tests;

/// From a cached prompt of a small model to a long prompt of a large one.
const FIRST_TOKEN_S: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Closest around the 100 ms of a fast reader.
const OUTPUT_TOKEN_S: &[f64] = &[
    0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0,
];
const REQUEST_S: &[f64] = &[
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0,
];

/// What became of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// The model ended its turn.
    Complete,
    /// The most tokens, or the context, were reached.
    Length,
    /// The person stopped it.
    Stopped,
    /// The client went away.
    Abandoned,
    /// The end of the program cut it off.
    CutOff,
    /// The engine failed or was gone.
    Failed,
    /// The program was ending.
    Ending,
    /// The queue was full.
    Busy,
    /// It asked for what cannot be done.
    Invalid,
}

impl Outcome {
    const ALL: [Self; 9] = [
        Self::Complete,
        Self::Length,
        Self::Stopped,
        Self::Abandoned,
        Self::CutOff,
        Self::Failed,
        Self::Ending,
        Self::Busy,
        Self::Invalid,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Length => "length",
            Self::Stopped => "stopped",
            Self::Abandoned => "abandoned",
            Self::CutOff => "cut_off",
            Self::Failed => "failed",
            Self::Ending => "ending",
            Self::Busy => "busy",
            Self::Invalid => "invalid",
        }
    }
}

/// Every figure of this server.
pub(crate) struct Telemetry {
    pub(crate) running: IntGauge,
    pub(crate) waiting: IntGauge,
    registry: Registry,
    requests: IntCounterVec,
    prompt_tokens: IntCounterVec,
    output_tokens: IntCounter,
    first_token: Histogram,
    output_token: Histogram,
    request: Histogram,
    queue: Histogram,
    prefill: Histogram,
    answers_usd: Counter,
    engine: EngineLoad,
    machine: Mutex<Machine>,
}

/// What is read anew for every scrape.
struct Machine {
    started: Instant,
    usd_per_hour: f64,
    usd: Counter,
    cgroup: Cgroup,
    periods: Counter,
    throttled_periods: Counter,
    throttled_s: Counter,
    memory_limit: Gauge,
}

impl Telemetry {
    /// # Errors
    /// When two figures have one name or a name has a wrong form.
    pub(crate) fn new(
        model: &ModelInfo,
        kv_blocks: usize,
        usd_per_hour: f64,
    ) -> prometheus::Result<Self> {
        let register = Register(Registry::new());
        register.process()?;
        register.model(model, usd_per_hour)?;
        let requests = register.counters(
            "nibble_requests_total",
            "Requests that ended, by what became of them.",
            "outcome",
        )?;
        for outcome in Outcome::ALL {
            requests.with_label_values(&[outcome.label()]);
        }
        let prompt_tokens = register.counters(
            "nibble_prompt_tokens_total",
            "Prompt tokens of ended answers, computed or found in the KV cache.",
            "source",
        )?;
        for source in ["computed", "cached"] {
            prompt_tokens.with_label_values(&[source]);
        }
        let output_tokens = IntCounter::new(
            "nibble_output_tokens_total",
            "Tokens put out by ended answers.",
        )?;
        Ok(Self {
            running: register.gauge(
                "nibble_requests_running",
                "Requests that the model works on.",
            )?,
            waiting: register.gauge("nibble_requests_waiting", "Requests in the queue.")?,
            requests,
            prompt_tokens,
            output_tokens: register.add(output_tokens)?,
            first_token: register.histogram(
                "nibble_time_to_first_token_seconds",
                "From accepting a request to its first token.",
                FIRST_TOKEN_S,
            )?,
            output_token: register.histogram(
                "nibble_time_per_output_token_seconds",
                "Mean time of each token after the first, one observation for each answer.",
                OUTPUT_TOKEN_S,
            )?,
            request: register.histogram(
                "nibble_request_seconds",
                "From accepting a request to its last token.",
                REQUEST_S,
            )?,
            queue: register.histogram(
                "nibble_queue_seconds",
                "From accepting a request to working on it.",
                FIRST_TOKEN_S,
            )?,
            prefill: register.histogram(
                "nibble_prefill_seconds",
                "Time spent computing a prompt.",
                FIRST_TOKEN_S,
            )?,
            answers_usd: register.counter(
                "nibble_answers_cost_usd_total",
                "Cost of the answers so far: their shares of the machine's time at the price of each.",
            )?,
            engine: EngineLoad::new(&register, model, kv_blocks)?,
            machine: Mutex::new(Machine {
                started: Instant::now(),
                usd_per_hour,
                usd: register.counter(
                    "nibble_machine_cost_usd_total",
                    "Cost of the machine since the server began, idle or not.",
                )?,
                cgroup: Cgroup::of_this_process(),
                periods: register.counter(
                    "nibble_cgroup_cpu_periods_total",
                    "Periods in which the CPU quota was counted.",
                )?,
                throttled_periods: register.counter(
                    "nibble_cgroup_cpu_throttled_periods_total",
                    "Periods in which the CPU quota ran out.",
                )?,
                throttled_s: register.counter(
                    "nibble_cgroup_cpu_throttled_seconds_total",
                    "Time that threads waited because the CPU quota had run out.",
                )?,
                memory_limit: register.float_gauge(
                    "nibble_cgroup_memory_limit_bytes",
                    "The most memory that the control group allows; 0 without a limit.",
                )?,
            }),
            registry: register.0,
        })
    }

    /// Counts an answer with what it took.
    pub(crate) fn answered(&self, outcome: Outcome, completion: &Completion) {
        self.ended(outcome);
        let (metrics, cached) = (&completion.metrics, completion.cached_tokens);
        let computed = completion.prompt_tokens.saturating_sub(cached);
        for (source, tokens) in [("computed", computed), ("cached", cached)] {
            self.prompt_tokens
                .with_label_values(&[source])
                .inc_by(tokens as u64);
        }
        self.output_tokens.inc_by(metrics.completion_tokens as u64);
        self.request.observe(metrics.total_s);
        self.queue.observe(metrics.queued_s);
        self.answers_usd.inc_by(metrics.usd_share);
        let token_s = metrics.time_per_output_token_ms.map(|ms| ms / 1000.0);
        for (histogram, seconds) in [
            (&self.first_token, metrics.time_to_first_token_s),
            (&self.output_token, token_s),
            (&self.prefill, metrics.prefill_s),
        ] {
            if let Some(seconds) = seconds {
                histogram.observe(seconds);
            }
        }
    }

    /// Counts a request of which nothing but its outcome is known.
    pub(crate) fn ended(&self, outcome: Outcome) {
        self.requests.with_label_values(&[outcome.label()]).inc();
    }

    /// All of it, in Prometheus' text form, with what the engine is doing.
    pub(crate) fn render(&self, load: &Load) -> prometheus::Result<String> {
        self.engine.show(load);
        self.machine
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read();
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Machine {
    fn read(&self) {
        let hours = self.started.elapsed().as_secs_f64() / 3600.0;
        raise(&self.usd, hours * self.usd_per_hour);
        if let Some(throttling) = self.cgroup.throttling() {
            raise(&self.periods, throttling.periods as f64);
            raise(&self.throttled_periods, throttling.throttled_periods as f64);
            raise(&self.throttled_s, throttling.throttled.as_secs_f64());
        }
        let memory = self.cgroup.memory();
        self.memory_limit
            .set(memory.map_or(0.0, |memory| memory.limit as f64));
    }
}

/// Brings a counter to what someone else counted.
fn raise(counter: &Counter, total: f64) {
    counter.inc_by((total - counter.get()).max(0.0));
}
