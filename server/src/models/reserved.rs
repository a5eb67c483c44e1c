//! Memory beside the models: what an engine takes that is none of them, such as that of a lane.

use std::sync::Arc;

use nibble_engine::Error;

use super::Models;

/// Bytes that no model is offered as long as this is there.
pub(crate) struct Reserved {
    models: Arc<Models>,
    bytes: u64,
}

impl Models {
    /// Sets bytes aside for an engine of this context, for which no model has to leave.
    ///
    /// # Errors
    /// [`Error::Memory`] where there is no room for it.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64, context: usize) -> Result<Reserved, Error> {
        let reserved = self.room().reserve(bytes, (self.memory)());
        reserved.map_err(|available| Error::Memory {
            needed: bytes,
            context,
            with_draft: false,
            available,
        })?;
        Ok(Reserved {
            models: Arc::clone(self),
            bytes,
        })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.models.room().release(self.bytes);
    }
}
