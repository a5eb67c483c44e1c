//! What keys are used for: figures by name, and the tokens of answers on their way there.

use std::sync::Arc;

use prometheus::{IntCounterVec, Opts, Registry};

use super::Key;

tokio::task_local! {
    /// The key of the request that is being answered.
    pub(super) static KEY: Arc<Key>;
}

/// The key of the request that this task answers, where it has one.
pub(crate) fn current() -> Option<Arc<Key>> {
    KEY.try_with(Arc::clone).ok()
}

/// Does for a request's key what is done after the request was answered, as in the body of a stream.
pub(crate) async fn within<T>(key: Option<Arc<Key>>, work: impl Future<Output = T>) -> T {
    match key {
        Some(key) => KEY.scope(key, work).await,
        None => work.await,
    }
}

/// Counters by the names of keys.
#[derive(Clone, Debug)]
pub(super) struct Usage {
    requests: IntCounterVec,
    refusals: IntCounterVec,
    prompt_tokens: IntCounterVec,
    output_tokens: IntCounterVec,
}

impl Default for Usage {
    fn default() -> Self {
        let counters = |name: &str, help: &str| {
            IntCounterVec::new(Opts::new(name, help), &["key"])
                .expect("names of figures and labels are fixed")
        };
        Self {
            requests: counters(
                "nibble_key_requests_total",
                "Requests that were let in, by the name of their key.",
            ),
            refusals: counters(
                "nibble_key_refusals_total",
                "Requests that were refused by a limit of their key, by its name.",
            ),
            prompt_tokens: counters(
                "nibble_key_prompt_tokens_total",
                "Prompt tokens of ended answers, by the name of the key.",
            ),
            output_tokens: counters(
                "nibble_key_output_tokens_total",
                "Tokens put out by ended answers, by the name of the key.",
            ),
        }
    }
}

impl Usage {
    fn all(&self) -> [&IntCounterVec; 4] {
        [
            &self.requests,
            &self.refusals,
            &self.prompt_tokens,
            &self.output_tokens,
        ]
    }

    pub(super) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let mut all = self.all().into_iter();
        all.try_for_each(|counters| registry.register(Box::new(counters.clone())))
    }

    /// A name that was never used is shown with zeros.
    pub(super) fn begin(&self, name: &str) {
        for counters in self.all() {
            counters.with_label_values(&[name]);
        }
    }
}

impl Key {
    pub(super) fn was_let_in(&self) {
        self.usage.requests.with_label_values(&[&self.name]).inc();
    }

    pub(super) fn was_refused(&self) {
        self.usage.refusals.with_label_values(&[&self.name]).inc();
    }

    /// Counts the tokens of an answer that has ended.
    pub(super) fn used(&self, prompt_tokens: u64, output_tokens: u64) {
        let usage = &self.usage;
        for (counters, tokens) in [
            (&usage.prompt_tokens, prompt_tokens),
            (&usage.output_tokens, output_tokens),
        ] {
            counters.with_label_values(&[&self.name]).inc_by(tokens);
        }
    }
}
