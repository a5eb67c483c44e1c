//! Makes figures and enters them into the registry, so that none can be forgotten there.

use std::sync::{Mutex, PoisonError};

use nibble_engine::ModelInfo;
use prometheus::core::Collector;
use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry,
};

pub(super) struct Register {
    pub(super) registry: Registry,
    /// What was entered by this one.
    entered: Mutex<Vec<Box<dyn Collector>>>,
}

impl Register {
    /// A registry of its own.
    pub(super) fn new() -> Self {
        Self::of(Registry::new())
    }

    /// What is entered from now on, apart from what was before.
    pub(super) fn beside(&self) -> Self {
        Self::of(self.registry.clone())
    }

    fn of(registry: Registry) -> Self {
        Self {
            registry,
            entered: Mutex::default(),
        }
    }

    /// Takes out all that was entered by this one.
    pub(super) fn clear(&self) {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        for figure in entered.drain(..) {
            // What is not there is out already.
            let _ = self.registry.unregister(figure);
        }
    }

    pub(super) fn add<C: Collector + Clone + 'static>(&self, figure: C) -> prometheus::Result<C> {
        self.registry.register(Box::new(figure.clone()))?;
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        entered.push(Box::new(figure.clone()));
        Ok(figure)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.add(IntGauge::new(name, help)?)
    }

    pub(super) fn float_gauge(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.add(Gauge::new(name, help)?)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> prometheus::Result<Counter> {
        self.add(Counter::new(name, help)?)
    }

    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), &[label])?)
    }

    /// A histogram that goes by this name, with the model's as a label where the name is vLLM's.
    pub(super) fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: Vec<f64>,
        model: &ModelInfo,
    ) -> prometheus::Result<Histogram> {
        let mut options = HistogramOpts::new(name, help).buckets(buckets);
        if name.starts_with("vllm:") {
            options = options.const_label("model_name", &model.id);
        }
        self.add(Histogram::with_opts(options)?)
    }

    /// vLLM's counter of the requests that ended, by why they did.
    pub(super) fn finished_requests(&self, model: &ModelInfo) -> prometheus::Result<IntCounterVec> {
        let help = "Requests that ended but were not refused, by why they did.";
        let options =
            Opts::new("vllm:request_success_total", help).const_label("model_name", &model.id);
        self.add(IntCounterVec::new(options, &["finished_reason"])?)
    }

    /// Resident memory, CPU time and the like, under the names that every exporter uses.
    #[cfg(target_os = "linux")]
    pub(super) fn process(&self) -> prometheus::Result<()> {
        use prometheus::process_collector::ProcessCollector;
        self.registry
            .register(Box::new(ProcessCollector::for_self()))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn process(&self) -> prometheus::Result<()> {
        Ok(())
    }

    /// What a model is.
    pub(super) fn model(&self, model: &ModelInfo) -> prometheus::Result<()> {
        let draft = model.draft.as_ref().map(|draft| draft.name.as_str());
        let what = Opts::new(
            "nibble_model_info",
            "A model that this server answers with.",
        )
        .const_label("model", &model.id)
        .const_label("kernel", &model.kernel)
        .const_label("quantization", &model.quantization)
        .const_label("kv", &model.kv)
        .const_label("draft_model", draft.unwrap_or_default());
        self.add(Gauge::with_opts(what)?)?.set(1.0);
        Ok(())
    }

    /// What does not change while the server runs, of the model that answers who names none.
    pub(super) fn first_model(
        &self,
        model: &ModelInfo,
        usd_per_hour: f64,
    ) -> prometheus::Result<()> {
        for (name, help, value) in [
            (
                "nibble_price_usd_per_hour",
                "Price of this machine.",
                usd_per_hour,
            ),
            (
                "nibble_model_weight_bytes",
                "Packed weights in memory.",
                model.weight_bytes as f64,
            ),
            (
                "nibble_context_tokens",
                "The longest sequence.",
                model.context as f64,
            ),
            (
                "nibble_threads",
                "Threads that compute.",
                model.threads as f64,
            ),
        ] {
            self.float_gauge(name, help)?.set(value);
        }
        Ok(())
    }
}
