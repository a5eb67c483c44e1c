//! What every route can reach.

use std::sync::Arc;

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
}
