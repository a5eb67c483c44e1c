//! What a monitoring system may know, in Prometheus' text form.
//!
//! Figures of answers come from the engine's own clock, which every answer carries; what belongs to the machine is read
//! when it is asked for. A figure that could not be measured is not observed, so it drags no average down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nibble_engine::cgroup::Cgroup;
use nibble_engine::{Completion, Load, ModelInfo};
use prometheus::{Counter, Gauge, IntCounter, IntCounterVec, IntGauge, TextEncoder};

use self::answer_figures::AnswerFigures;
use self::engine_load::EngineLoad;
use self::register::Register;
use crate::keys::Keys;
use crate::models::Offer;

mod answer_figures;
mod engine_load;
mod register;
#[cfg(test)]
mod tests;

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
    /// It waited or took longer than `--max-wait` or `--max-time` allows.
    TimedOut,
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
    const ALL: [Self; 10] = [
        Self::Complete,
        Self::Length,
        Self::Stopped,
        Self::Abandoned,
        Self::CutOff,
        Self::TimedOut,
        Self::Failed,
        Self::Ending,
        Self::Busy,
        Self::Invalid,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Length => "length",
            Self::Stopped => "stopped",
            Self::Abandoned => "abandoned",
            Self::CutOff => "cut_off",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::Ending => "ending",
            Self::Busy => "busy",
            Self::Invalid => "invalid",
        }
    }

    /// What vLLM calls it; it does not count what it has refused.
    fn finished_reason(self) -> Option<&'static str> {
        match self {
            Self::Complete => Some("stop"),
            Self::Length => Some("length"),
            Self::Stopped | Self::Abandoned | Self::CutOff | Self::TimedOut => Some("abort"),
            Self::Failed => Some("error"),
            Self::Ending | Self::Busy | Self::Invalid => None,
        }
    }
}

/// Every figure of this server.
pub(crate) struct Telemetry {
    pub(crate) running: IntGauge,
    pub(crate) waiting: IntGauge,
    registry: Register,
    requests: IntCounterVec,
    /// The same under vLLM's name.
    finished: IntCounterVec,
    prompt_tokens: IntCounterVec,
    output_tokens: IntCounter,
    answers: AnswerFigures,
    answers_usd: Counter,
    engine: EngineLoad,
    /// Held by one scrape at a time: two that read a counter at once would both add what it lacks.
    machine: Arc<Mutex<Machine>>,
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

/// Ended requests of a model, all reasons at zero.
fn finished(register: &Register, model: &ModelInfo) -> prometheus::Result<IntCounterVec> {
    let finished = register.finished_requests(model)?;
    let reasons = Outcome::ALL.into_iter();
    for reason in reasons.filter_map(Outcome::finished_reason) {
        finished.with_label_values(&[reason]);
    }
    Ok(finished)
}

impl Telemetry {
    /// # Errors
    /// When two figures have one name or a name has a wrong form.
    pub(crate) fn new(
        model: &ModelInfo,
        kv_blocks: usize,
        usd_per_hour: f64,
    ) -> prometheus::Result<Self> {
        let register = Register::new();
        register.process()?;
        register.model(model)?;
        register.first_model(model, usd_per_hour)?;
        let requests = register.counters(
            "nibble_requests_total",
            "Requests that ended, by what became of them.",
            "outcome",
        )?;
        for outcome in Outcome::ALL {
            requests.with_label_values(&[outcome.label()]);
        }
        let finished = finished(&register, model)?;
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
            waiting: register.gauge("nibble_requests_waiting", "Requests in the queue, or on their way to it.")?,
            requests,
            finished,
            prompt_tokens,
            output_tokens: register.add(output_tokens)?,
            answers: AnswerFigures::new(&register, model)?,
            answers_usd: register.counter(
                "nibble_answers_cost_usd_total",
                "Cost of the answers so far: their shares of the machine's time at the price of each.",
            )?,
            engine: EngineLoad::new(&register, model, kv_blocks)?,
            machine: Arc::new(Mutex::new(Machine {
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
            })),
            registry: register,
        })
    }

    /// Figures of another model of this server: vLLM's have its name, ours count all models together.
    ///
    /// # Errors
    /// When it has the name of a model that has figures already.
    pub(crate) fn of_another(&self, offer: &Offer) -> prometheus::Result<Self> {
        let register = self.registry.beside();
        let entered = self.entered_in(&register, offer);
        if entered.is_err() {
            register.clear();
        }
        let (finished, answers, engine) = entered?;
        Ok(Self {
            running: self.running.clone(),
            waiting: self.waiting.clone(),
            registry: register,
            requests: self.requests.clone(),
            finished,
            prompt_tokens: self.prompt_tokens.clone(),
            output_tokens: self.output_tokens.clone(),
            answers,
            answers_usd: self.answers_usd.clone(),
            engine,
            machine: Arc::clone(&self.machine),
        })
    }

    /// Takes the figures of a model out that has figures beside the first's.
    pub(crate) fn withdraw(&self) {
        self.registry.clear();
    }

    /// The figures of another model by its name.
    fn entered_in(
        &self,
        register: &Register,
        offer: &Offer,
    ) -> prometheus::Result<(IntCounterVec, AnswerFigures, EngineLoad)> {
        let model = &offer.info;
        register.model(model)?;
        let finished = finished(register, model)?;
        let answers = self.answers.of_another(register, model)?;
        let engine = EngineLoad::of_another(register, model, offer.kv_blocks)?;
        Ok((finished, answers, engine))
    }

    /// Shows what keys are used for, too.
    ///
    /// # Errors
    /// When two figures have one name.
    pub(crate) fn register_keys(&self, keys: &Keys) -> prometheus::Result<()> {
        keys.register(&self.registry.registry)
    }

    /// Counts an answer with what it took. How long one took that nobody waited for tells nothing, so it is not observed.
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
        self.answers_usd.inc_by(metrics.usd_share);
        if !matches!(outcome, Outcome::Abandoned) {
            self.answers.observe(completion);
        }
    }

    /// Counts a request of which nothing but its outcome is known.
    pub(crate) fn ended(&self, outcome: Outcome) {
        self.requests.with_label_values(&[outcome.label()]).inc();
        if let Some(reason) = outcome.finished_reason() {
            self.finished.with_label_values(&[reason]).inc();
        }
    }

    /// Brings what the engine of this model does up to date.
    pub(crate) fn show(&self, load: &Load) {
        let _alone = self.machine();
        self.engine.show(load);
    }

    /// All of it, in Prometheus' text form, with what all engines do together.
    pub(crate) fn render(&self, load: &Load) -> prometheus::Result<String> {
        let machine = self.machine();
        self.engine.show_all(load);
        machine.read();
        let figures = self.registry.registry.gather();
        drop(machine);
        TextEncoder::new().encode_to_string(&figures)
    }

    /// Waits for the scrape that is at it.
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Brings a counter to what someone else counted; one scrape at a time.
fn raise(counter: &Counter, total: f64) {
    counter.inc_by((total - counter.get()).max(0.0));
}
