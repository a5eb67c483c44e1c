//! What every route can reach.

use std::sync::Arc;
use std::time::Duration;

use crate::bodies::Bodies;
use crate::chat::ChatService;
use crate::generator::Generator;
use crate::metered::Metered;
use crate::telemetry::Telemetry;
use crate::traces::Traces;

/// Settings of a server that routes read; the command line makes them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Price of this machine, for the cost figures; the page may change it for one conversation.
    pub usd_per_hour: f64,
    /// Host names that requests may name in `Host`, beside IP addresses and `localhost`.
    pub allowed_hosts: Vec<String>,
    /// How long answers may go on after the server was told to end.
    pub grace: Duration,
    /// Connections at a time; one peer may have three quarters of them.
    pub connections: usize,
}

/// Shared by all routes; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The server's settings.
    pub settings: Arc<Settings>,
    pub(crate) model: Metered,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) chat: Arc<ChatService>,
    pub(crate) bodies: Arc<Bodies>,
}

impl AppState {
    /// A server without conversations.
    ///
    /// # Panics
    /// When two figures of `/metrics` have one name.
    #[must_use]
    pub fn new(generator: Arc<dyn Generator>, settings: Settings) -> Self {
        Self::traced(generator, settings, None)
    }

    /// [`Self::new`] with spans for each request where there are traces.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn traced(
        generator: Arc<dyn Generator>,
        settings: Settings,
        traces: Option<Traces>,
    ) -> Self {
        let telemetry = Telemetry::new(
            generator.info(),
            generator.load().kv_blocks,
            settings.usd_per_hour,
        )
        .expect("names of figures are fixed and differ");
        let telemetry = Arc::new(telemetry);
        let model = Metered::new(generator, Arc::clone(&telemetry)).traced(traces);
        let chat = ChatService::new(model.clone(), settings.usd_per_hour);
        Self {
            model,
            telemetry,
            settings: Arc::new(settings),
            chat: Arc::new(chat),
            bodies: Arc::default(),
        }
    }
}
