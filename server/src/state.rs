//! What every route can reach.

use std::sync::Arc;

use crate::chat::ChatService;
use crate::generator::Generator;

/// Settings of a server that routes read; the command line makes them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Price of this machine, for the cost figures; the page may change it for one conversation.
    pub usd_per_hour: f64,
    /// Host names that requests may name in `Host`, beside IP addresses and `localhost`.
    pub allowed_hosts: Vec<String>,
}

/// Shared by all routes; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// Where answers come from.
    pub generator: Arc<dyn Generator>,
    /// The server's settings.
    pub settings: Arc<Settings>,
    pub(crate) chat: Arc<ChatService>,
}

impl AppState {
    /// A server without conversations.
    #[must_use]
    pub fn new(generator: Arc<dyn Generator>, settings: Settings) -> Self {
        let chat = ChatService::new(Arc::clone(&generator), settings.usd_per_hour);
        Self {
            generator,
            settings: Arc::new(settings),
            chat: Arc::new(chat),
        }
    }

    /// Ends every answer that the page's conversations are waiting for, so that a graceful shutdown need not wait
    /// for readers who follow them.
    pub fn stop_answers(&self) {
        self.chat.stop_all();
    }
}
