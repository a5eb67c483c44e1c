//! Who asks which model, and under which limits: what a body is read by.

use std::sync::Arc;

use nibble_engine::{Caller, ModelInfo};

use super::model::check_model;
use crate::access::Access;
use crate::error::ApiError;
use crate::generator::Generator;
use crate::models::Lease;
use crate::response_items::{OwnItems, ResponseItems};
use crate::state::AppState;

/// Who asks whom.
pub(super) struct Asker {
    pub(super) generator: Arc<dyn Generator>,
    /// Keeps the model in memory.
    _lease: Option<Lease>,
    /// The names of all models.
    served: Vec<String>,
    pub(super) caller: Caller,
    pub(super) usd_per_hour: f64,
    pub(super) access: Arc<Access>,
    response_items: Arc<ResponseItems>,
    /// The most tokens of an answer for which no limit is named.
    pub(super) default_max_tokens: usize,
}

impl Asker {
    pub(super) fn new(state: &AppState, lease: Lease, caller: Caller) -> Self {
        Self::of(state, Arc::clone(lease.generator()), Some(lease), caller)
    }

    pub(super) fn of(
        state: &AppState,
        generator: Arc<dyn Generator>,
        lease: Option<Lease>,
        caller: Caller,
    ) -> Self {
        Self {
            generator,
            _lease: lease,
            served: state.served.ids(),
            caller,
            usd_per_hour: state.settings.usd_per_hour,
            access: Arc::clone(&state.access),
            response_items: Arc::clone(&state.response_items),
            default_max_tokens: state.settings.default_max_tokens,
        }
    }

    /// Who is not known, and pays nothing.
    #[cfg(any(test, fuzzing))]
    pub(super) fn anybody(generator: &Arc<dyn Generator>) -> Self {
        Self {
            generator: Arc::clone(generator),
            _lease: None,
            served: Vec::new(),
            caller: Caller::default(),
            usd_per_hour: 0.0,
            access: Arc::default(),
            response_items: Arc::default(),
            default_max_tokens: 4096,
        }
    }

    pub(super) fn info(&self) -> &ModelInfo {
        self.generator.info()
    }

    /// # Errors
    /// Status 404 for another model than the one that is loaded.
    pub(super) fn check_model(&self, name: Option<&str>) -> Result<(), ApiError> {
        check_model(name, self.info(), &self.access.served_names, &self.served)
    }

    /// The items of responses that this asker may refer to: those of the same key, where there are keys.
    pub(super) fn own_items(&self) -> OwnItems {
        let owner = self.access.keys.as_ref().map(|_| self.caller);
        OwnItems::new(Arc::clone(&self.response_items), owner)
    }

    /// The most tokens of an answer with this limit, or with none.
    pub(super) fn most_tokens(&self, limit: Option<usize>) -> usize {
        limit
            .unwrap_or(self.default_max_tokens)
            .min(self.info().context)
    }
}
