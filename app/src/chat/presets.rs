//! What the pages need of a program that keeps settings under names.

use async_trait::async_trait;

use crate::complaint::Complaint;
use crate::presets::Preset;
use crate::settings::MessageForm;
use crate::visitor::Visitor;

/// What a program does with presets. A visitor's own are nobody else's.
#[async_trait]
pub trait Presets: Send + Sync {
    /// The visitor's own by name, then those that are there from the start and that no own one replaces.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn presets(&self, visitor: Visitor) -> Result<Vec<Preset>, Complaint>;

    /// Keeps the settings of a form under a name, in the place of those that it had.
    ///
    /// # Errors
    /// When the name or a setting cannot be used, there are too many, or they cannot be written down.
    async fn save_preset(
        &self,
        visitor: Visitor,
        form: &MessageForm,
        name: &str,
    ) -> Result<(), Complaint>;

    /// Has a preset hold in the form's conversation, or in the visitor's next one.
    ///
    /// # Errors
    /// When there is no such preset or conversation, or it cannot be written down.
    async fn use_preset(
        &self,
        visitor: Visitor,
        form: &MessageForm,
        name: &str,
    ) -> Result<(), Complaint>;

    /// Forgets one of the visitor's own.
    ///
    /// # Errors
    /// When there is none of this name, or it cannot be forgotten.
    async fn delete_preset(&self, visitor: Visitor, name: &str) -> Result<(), Complaint>;
}
