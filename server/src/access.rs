//! Who may use the API, from which sites, and by which names of the model: what the command line says of it.

use std::sync::Arc;

use crate::keys::Keys;
use crate::origins::Origins;

/// Without any of it the API is open to all who reach it, to no other site, and under the model's own name.
#[derive(Default)]
pub struct Access {
    /// Who has none of these keys is refused, where there are some.
    pub keys: Option<Arc<Keys>>,
    /// Whether `/metrics` is asked for a key too.
    pub guards_metrics: bool,
    /// Sites whose scripts may use the API.
    pub origins: Origins,
    /// Names that the model answers to beside its own.
    pub served_names: Vec<String>,
}
