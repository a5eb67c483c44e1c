//! Brings the page, the conversations and the engine together.
//!
//! A question is in the store before the engine is asked. Where the engine refuses, it is taken back; where an answer of the
//! conversation is still written, it waits for that one's end.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use nibble_app::chat::{
    Change, Chat, Following, Leave, List, ListQuery, ModelCard, ModelServed, Started, Thread,
    WhenFull,
};
use nibble_app::complaint::Complaint;
use nibble_app::domain::{Answer, Attachment, Content, Conversation, Id};
use nibble_app::settings::{MAX_TOKENS, MessageForm, Settings, TEMPERATURE, USD_PER_HOUR};
use nibble_app::visitor::Visitor;

use crate::runs::Run;
use crate::served::Served;
use crate::store::{Ask, Copied, Part, Store, StoreError};

mod asking;
mod comparisons;
mod complaints;
mod export;
mod facts;
mod idle;
mod import;
mod journal;
mod limits;
mod managing;
mod memory;
mod mirror;
mod opening;
mod outlook;
mod presets;
mod prompt;
mod reading;
mod replays;
mod speeds;
mod switching;
#[cfg(test)]
mod tests;
mod work;
mod writing;

pub(crate) use self::complaints::reason;
use self::complaints::unstored;
use self::facts::Surveyed;
use self::limits::Measured;
pub(crate) use self::limits::Refused;
use self::mirror::Mirrors;
use self::replays::Replays;
use self::writing::Writer;
pub(crate) use self::writing::metrics;
use crate::compare::Comparer;
use crate::management::Management;
use crate::permitted::Permitted;

const DEFAULT_MAX_TOKENS: usize = 250;

/// Turns on a page, and conversations in a list.
const TURNS: usize = 40;
const LISTED: usize = 50;

/// The conversations of the page and the answers that are being written in them.
pub(crate) struct ChatService {
    writer: Writer,
    mirrors: Mirrors,
    usd_per_hour: f64,
    surveyed: Surveyed,
    limits: Measured,
    comparer: Arc<Comparer>,
    comparers: OnceLock<Permitted>,
    management: OnceLock<Arc<Management>>,
    switchers: OnceLock<Permitted>,
    replays: Replays,
    foreseeing: outlook::Turns,
    estimates: outlook::Estimates,
}

impl ChatService {
    /// Must be called where tasks can be spawned.
    pub(crate) fn new(models: Served, store: Arc<dyn Store>, usd_per_hour: f64) -> Self {
        let runs = Arc::default();
        tokio::spawn(journal::keep(Arc::clone(&store), Arc::downgrade(&runs)));
        Self {
            mirrors: Mirrors::new(Arc::clone(&store)),
            writer: Writer {
                models,
                store,
                runs,
            },
            usd_per_hour,
            surveyed: Surveyed::default(),
            limits: Measured::default(),
            comparer: Arc::default(),
            comparers: OnceLock::new(),
            management: OnceLock::new(),
            switchers: OnceLock::new(),
            replays: Replays::default(),
            foreseeing: outlook::Turns::default(),
            estimates: outlook::Estimates::default(),
        }
    }

    /// An answer in the making.
    pub(crate) fn run(&self, run: Id) -> Option<Arc<Run>> {
        self.writer.runs.get(run)
    }

    /// An answer in the making, whichever process writes it.
    pub(crate) fn followed(&self, run: Id) -> Option<Arc<Run>> {
        self.run(run).or_else(|| self.mirrors.run(run))
    }

    /// Whether a message is the visitor's own; nothing where it may not be read.
    pub(crate) async fn owns(&self, visitor: Visitor, message: Id) -> Option<bool> {
        if let Some(run) = self.run(message)
            && run.owner == visitor.owner
        {
            return Some(true);
        }
        let id = self.writer.store.conversation_of(message).await.ok()??;
        let (_, own) = self.readable(visitor, id).await.ok()??;
        Some(own)
    }

    /// The text of a message that a visitor may read.
    pub(crate) async fn text(&self, visitor: Visitor, message: Id) -> Option<String> {
        self.owns(visitor, message).await?;
        self.answer(message).await.map(|answer| answer.text)
    }

    /// Ready when every answer is written down.
    pub(crate) async fn all_written(&self) {
        self.writer.runs.all_gone().await;
    }

    /// Ends with the store, after which nothing may be asked.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.writer.store.close().await {
            tracing::error!("the database is not closed: {error}");
        }
    }

    /// A conversation that a visitor may read, and whether it is the visitor's own.
    async fn readable(
        &self,
        visitor: Visitor,
        id: Id,
    ) -> Result<Option<(Conversation, bool)>, StoreError> {
        let found = self.writer.store.conversation(id).await?;
        Ok(found.and_then(|(conversation, owner)| {
            let own = owner == visitor.owner;
            (own || conversation.shared).then_some((conversation, own))
        }))
    }

    /// The settings of a visitor's own conversation.
    async fn settings_of(&self, visitor: Visitor, id: &str) -> Option<Settings> {
        let found = self.readable(visitor, id.parse().ok()?).await.ok()??;
        let (conversation, own) = found;
        own.then_some(conversation.settings)
    }

    /// The settings of the visitor's conversation that a message is in.
    async fn settings_at(&self, visitor: Visitor, message: Id) -> Result<Settings, Complaint> {
        let found = async {
            let id = self.writer.store.conversation_of(message).await?;
            let id = id.ok_or(StoreError::Gone)?;
            let (conversation, own) = self.readable(visitor, id).await?.ok_or(StoreError::Gone)?;
            own.then_some(conversation.settings).ok_or(StoreError::Gone)
        };
        found.await.map_err(unstored)
    }
}

#[async_trait]
impl Chat for ChatService {
    fn model(&self, id: &str) -> ModelCard {
        let model = self.writer.models.named_or_first(id);
        let info = model.info();
        ModelCard {
            id: info.id.clone(),
            name: info.name.clone(),
            parameters: info.parameters,
            layers: info.shape.layers,
            hidden: info.shape.hidden,
            heads: [info.shape.heads, info.shape.kv_heads],
            vocabulary: info.vocabulary,
            licence: info.licence.clone(),
            weight_bytes: info.weight_bytes,
            context: info.context,
            quantization: info.quantization.clone(),
            kv: info.kv.clone(),
            kernel: info.kernel.clone(),
            threads: info.threads,
            draft: info.draft.as_ref().map(|draft| draft.name.clone()),
            thinks: info.thinks,
            advised: {
                let advised = &info.sampling;
                (advised.top_k, advised.top_p, advised.min_p)
            },
        }
    }

    fn served(&self) -> Vec<ModelServed> {
        let models = self.writer.models.iter().map(|model| ModelServed {
            id: model.info().id.clone(),
            name: model.info().name.clone(),
            is_loaded: model.loaded().is_some_and(|model| model.is_alive()),
        });
        models.collect()
    }

    fn switching(&self, visitor: Visitor) -> Leave {
        self.may_switch(visitor)
    }

    fn defaults(&self) -> Settings {
        let advised = self.writer.models.first().info().sampling.temperature;
        Settings {
            temperature: advised.clamp(*TEMPERATURE.start(), *TEMPERATURE.end()),
            max_tokens: DEFAULT_MAX_TOKENS.clamp(*MAX_TOKENS.start(), *MAX_TOKENS.end()),
            system_prompt: String::new(),
            usd_per_hour: self
                .usd_per_hour
                .clamp(*USD_PER_HOUR.start(), *USD_PER_HOUR.end()),
            ..Settings::default()
        }
    }

    async fn last_settings(&self, visitor: Visitor) -> Result<Settings, Complaint> {
        let kept = self.writer.store.settings(visitor.owner).await;
        let kept = kept.map_err(unstored)?;
        let kept = kept.unwrap_or_else(|| self.defaults());
        Ok(self.with_usable_model(visitor, kept))
    }

    async fn list(&self, visitor: Visitor, query: &ListQuery) -> Result<List, Complaint> {
        let listed = self.writer.store.list(visitor.owner, query, LISTED).await;
        listed.map_err(unstored)
    }

    async fn open(
        &self,
        visitor: Visitor,
        id: Id,
        before: Option<Id>,
    ) -> Result<Option<Thread>, Complaint> {
        let part = before.map_or(Part::Last(TURNS), |before| Part::Before(before, TURNS));
        self.thread(visitor, id, part).await
    }

    async fn open_at(
        &self,
        visitor: Visitor,
        id: Id,
        answer: Id,
    ) -> Result<Option<Thread>, Complaint> {
        self.thread_at(visitor, id, answer).await
    }

    async fn end(&self, visitor: Visitor, id: Id) -> Result<Option<Thread>, Complaint> {
        self.end_of(visitor, id).await
    }

    async fn answer(&self, run: Id) -> Option<Answer> {
        self.writer.answer(run).await
    }

    async fn send(
        &self,
        visitor: Visitor,
        form: &MessageForm,
        attachments: Vec<Attachment>,
    ) -> Result<Started, Complaint> {
        let kept = self.settings_of(visitor, &form.conversation);
        let settings = self.settings_from(visitor, form, kept).await?;
        let question = asked(form, attachments)?;
        let when_full = WhenFull::named(&form.when_full);
        let ask = match form.conversation.as_str() {
            "" => Ask::First(question),
            _ if when_full == WhenFull::NewChat => Ask::First(question),
            id => match id.parse() {
                Ok(id) => Ask::Next(id, question),
                Err(_) => return Err(unstored(StoreError::Gone)),
            },
        };
        self.start(visitor, ask, settings, when_full).await
    }

    async fn again(
        &self,
        visitor: Visitor,
        answer: Id,
        form: &MessageForm,
    ) -> Result<Started, Complaint> {
        let kept = async { self.settings_at(visitor, answer).await.ok() };
        let settings = self.settings_from(visitor, form, kept).await?;
        let when_full = WhenFull::named(&form.when_full);
        let ask = match when_full {
            WhenFull::NewChat => Ask::First(self.question_of(visitor, answer).await?),
            _ => Ask::Again(answer),
        };
        self.start(visitor, ask, settings, when_full).await
    }

    async fn go_on(
        &self,
        visitor: Visitor,
        answer: Id,
        when_full: WhenFull,
    ) -> Result<Started, Complaint> {
        self.may_ask_of(visitor, answer).await?;
        self.start_again(visitor, answer, when_full).await
    }

    async fn edit(
        &self,
        visitor: Visitor,
        question: Id,
        text: &str,
        when_full: WhenFull,
    ) -> Result<Started, Complaint> {
        let form = MessageForm {
            message: text.to_owned(),
            ..MessageForm::default()
        };
        let settings = self.settings_at(visitor, question).await?;
        let before = self.writer.store.question(question).await;
        let before = before.map_err(unstored)?.ok_or_else(Complaint::gone)?;
        let content = asked(&form, before.attachments)?;
        let ask = match when_full {
            WhenFull::NewChat => Ask::First(content),
            _ => Ask::Instead(question, content),
        };
        self.start(visitor, ask, settings, when_full).await
    }

    async fn place(&self, visitor: Visitor, message: Id) -> Option<Id> {
        let id = self.writer.store.conversation_of(message).await.ok()??;
        self.readable(visitor, id).await.ok()?.map(|_| id)
    }

    async fn branch(&self, visitor: Visitor, answer: Id) -> Result<Id, Complaint> {
        let copied = self
            .writer
            .store
            .copy(visitor.owner, answer, Copied::Whole)
            .await;
        copied.map_err(unstored)
    }

    async fn show(&self, visitor: Visitor, message: Id) -> Result<Id, Complaint> {
        let shown = async {
            let store = &self.writer.store;
            let id = store.conversation_of(message).await?;
            let id = id.ok_or(StoreError::Gone)?;
            let tree = store.tree(id).await?;
            if tree.path(message).is_empty() {
                // It was hidden.
                return Err(StoreError::Gone);
            }
            let tip = tree.newest_leaf(message);
            let is_there = store.change(visitor.owner, id, Change::Show(tip)).await?;
            is_there.then_some(id).ok_or(StoreError::Gone)
        };
        shown.await.map_err(unstored)
    }

    async fn hide(&self, visitor: Visitor, question: Id, hidden: bool) -> Result<Id, Complaint> {
        let store = &self.writer.store;
        let done = store.hide(visitor.owner, question, hidden).await;
        done.map_err(unstored)
    }

    async fn change(&self, visitor: Visitor, id: Id, change: Change) -> Result<bool, Complaint> {
        let changed = self.writer.store.change(visitor.owner, id, change).await;
        changed.map_err(unstored)
    }

    async fn delete_all(&self, visitor: Visitor) -> Result<i64, Complaint> {
        let at = crate::store::now();
        let deleted = self.writer.store.delete_all(visitor.owner, at).await;
        deleted.map_err(unstored)?;
        Ok(at)
    }

    async fn restore_all(&self, visitor: Visitor, at: i64) -> Result<u64, Complaint> {
        let restored = self.writer.store.restore_all(visitor.owner, at).await;
        restored.map_err(unstored)
    }

    async fn stop(&self, visitor: Visitor, run: Id) -> Option<Id> {
        let store = &self.writer.store;
        let id = store.conversation_of(run).await.ok()??;
        let (conversation, own) = self.readable(visitor, id).await.ok()??;
        if !own {
            return None;
        }
        let stopped = match self.run(run) {
            Some(running) => writing::stop(&**store, &self.writer.runs, run, &running).await,
            None if store.is_shared() => store.stop(run).await,
            None => Ok(()),
        };
        if let Err(error) = stopped {
            tracing::error!("an answer cannot be stopped: {error}");
        }
        Some(conversation.id)
    }

    async fn reset(&self, visitor: Visitor, form: &MessageForm) {
        let store = &self.writer.store;
        let settings = match Settings::from_form(form) {
            Ok(settings) => settings,
            Err(_) => match self.settings_of(visitor, &form.conversation).await {
                Some(settings) => settings,
                None => return,
            },
        };
        if let Err(error) = store.keep_settings(visitor.owner, &settings).await {
            tracing::error!("settings are not kept: {error}");
        }
    }

    fn follow(&self, run: Id) -> Following {
        let Some(run) = self.followed(run) else {
            return Following::Ended;
        };
        run.follow().map_or(Following::Full, Following::Running)
    }
}

/// What a form asks, with files beside it.
fn asked(form: &MessageForm, attachments: Vec<Attachment>) -> Result<Content, Complaint> {
    let text = form.question(!attachments.is_empty())?;
    Ok(Content { text, attachments })
}
