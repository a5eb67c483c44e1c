//! Which model answers a visitor: any for who may switch, and for others the one that the conversation has.

use nibble_app::chat::Leave;
use nibble_app::complaint::Complaint;
use nibble_app::domain::Id;
use nibble_app::settings::{MessageForm, Settings};
use nibble_app::visitor::Visitor;

use super::ChatService;
use crate::permitted::Permitted;

impl ChatService {
    /// From now on these visitors may have any model answer.
    pub(crate) fn switched_by(&self, switchers: Permitted) {
        // A second time it would be the same.
        let _ = self.switchers.set(switchers);
    }

    pub(super) fn may_switch(&self, visitor: Visitor) -> Leave {
        let switchers = self.switchers.get().copied();
        switchers.unwrap_or_default().leave(visitor)
    }

    /// The settings of a form in a conversation that has these. Where the form names no model, who may not switch stays with
    /// the conversation's, as the page offers no other.
    ///
    /// # Errors
    /// Those of the form, and [`Leave::not_switched`] for another model of who may not switch.
    pub(super) async fn settings_from(
        &self,
        visitor: Visitor,
        form: &MessageForm,
        kept: impl Future<Output = Option<Settings>>,
    ) -> Result<Settings, Complaint> {
        let settings = Settings::from_form(form)?;
        if self.may_switch(visitor) == Leave::Granted {
            return Ok(settings);
        }
        let kept = kept.await.map(|kept| kept.model).unwrap_or_default();
        if !settings.model.is_empty() {
            self.stays_with(visitor, &kept, &settings.model)?;
        }
        Ok(Settings {
            model: kept,
            ..settings
        })
    }

    /// The settings that the next conversation begins with: for who may not switch by the first model.
    pub(super) fn with_usable_model(&self, visitor: Visitor, settings: Settings) -> Settings {
        match self.may_switch(visitor) {
            Leave::Granted => settings,
            _ => Settings {
                model: String::new(),
                ..settings
            },
        }
    }

    /// Whether the model of an answer may compute more of it for this visitor.
    ///
    /// # Errors
    /// [`Leave::not_switched`] where it is not the conversation's and the visitor may not switch, and as for other answers where
    /// it is not the visitor's.
    pub(super) async fn may_ask_of(&self, visitor: Visitor, answer: Id) -> Result<(), Complaint> {
        if self.may_switch(visitor) == Leave::Granted {
            return Ok(());
        }
        let answered = self.writer.answer(answer).await;
        let answered = answered.ok_or_else(Complaint::gone)?;
        let kept = self.settings_at(visitor, answer).await?;
        self.stays_with(visitor, &kept.model, &answered.origin.settings.model)
    }

    /// A name that none has means the first.
    fn stays_with(&self, visitor: Visitor, kept: &str, wanted: &str) -> Result<(), Complaint> {
        let id = |name: &str| self.writer.models.named_or_first(name).info().id.clone();
        if id(kept) == id(wanted) {
            return Ok(());
        }
        Err(self.may_switch(visitor).not_switched())
    }
}
