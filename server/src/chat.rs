//! Brings the page, the conversations and the engine together.

use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use nibble_app::chat::{
    Answer, Chat, Conversation, End, Following, Metrics, ModelCard, Started, Visitor,
};
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::settings::{MAX_TOKENS, MessageForm, Settings, TEMPERATURE, USD_PER_HOUR};
use nibble_engine::{
    Caller, Completion, Error, Event, FinishReason, Message, Prompt, Request, Role, Sampling,
};

use crate::error::retry_after_s;
use crate::metered::{Metered, MeteredAnswer};
use crate::runs::{Run, RunId, Runs};
use crate::store::{NotBegun, Store, is_running, text_bytes};

/// The most text of one conversation.
const CONVERSATION_BYTES: usize = 256 * 1024;
/// The most questions of one conversation: its template is rendered anew for each.
const CONVERSATION_TURNS: usize = 1000;

const DEFAULT_MAX_TOKENS: usize = 250;

/// What a person reads who comes back too late.
const LEFT: &str =
    "its page was closed while it waited for its turn, so others took its place; ask again";

/// The conversations of the page and the answers that are being written in them.
pub(crate) struct ChatService {
    model: Metered,
    usd_per_hour: f64,
    store: Arc<Store>,
    runs: Arc<Runs>,
}

impl ChatService {
    pub(crate) fn new(model: Metered, usd_per_hour: f64) -> Self {
        Self {
            model,
            usd_per_hour,
            store: Arc::default(),
            runs: Arc::default(),
        }
    }

    /// Submits first and takes the turn afterwards, so that nothing has to be undone when the engine refuses. Of two
    /// messages at once the second loses its claim, and dropping its answer cancels it.
    async fn start(&self, form: &MessageForm, caller: Caller) -> Result<Started, Complaint> {
        let settings = Settings::from_form(form)?;
        let question = form.question()?;
        let earlier = self.earlier(&form.conversation)?;
        if let Some(earlier) = &earlier {
            check_room(earlier, &question)?;
        }
        let turn = earlier.as_ref().map_or(0, |earlier| earlier.turns.len());
        let request = Request {
            caller,
            ..self.request(earlier.as_ref(), &question, &settings)
        };
        let answer = self
            .model
            .submit(request)
            .await
            .map_err(|error| refusal(&error))?;
        let conversation = match earlier {
            Some(earlier) => earlier.id,
            None => self.store.create(settings.clone()),
        };
        let id = RunId { conversation, turn };
        let run = self.runs.claim(&id, answer.stopper()).ok_or_else(running)?;
        let turn = self
            .store
            .begin_turn(&id, question, settings)
            .map_err(|reason| {
                self.runs.remove(&id);
                match reason {
                    NotBegun::Moved => running(),
                    NotBegun::Full => unavailable(
                        "the conversations that wait for answers take all memory there is for them; try again in a \
                         moment"
                            .to_owned(),
                    ),
                }
            })?;
        let conversation = id.conversation.clone();
        let (store, runs) = (Arc::clone(&self.store), Arc::clone(&self.runs));
        tokio::spawn(async move {
            let end = write(answer, &run).await;
            store.finish_turn(&id, run.text(), end);
            run.end();
            runs.remove(&id);
        });
        Ok(Started { conversation, turn })
    }

    /// An answer in the making.
    pub(crate) fn run(&self, run: &str) -> Option<Arc<Run>> {
        self.runs.get(&RunId::parse(run)?)
    }

    fn earlier(&self, id: &str) -> Result<Option<Conversation>, Complaint> {
        if id.is_empty() {
            return Ok(None);
        }
        let earlier = self.store.get(id).ok_or_else(gone)?;
        if is_running(&earlier) {
            return Err(running());
        }
        Ok(Some(earlier))
    }

    fn request(
        &self,
        earlier: Option<&Conversation>,
        question: &str,
        settings: &Settings,
    ) -> Request {
        Request {
            prompt: Prompt::Chat(messages(earlier, question, &settings.system_prompt).into()),
            sampling: Sampling {
                temperature: settings.temperature,
                ..self.model.info().sampling
            },
            max_tokens: settings.max_tokens,
            stop: Vec::new(),
            usd_per_hour: settings.usd_per_hour,
            caller: Caller::default(),
        }
    }
}

impl Chat for ChatService {
    fn model(&self) -> ModelCard {
        let info = self.model.info();
        ModelCard {
            name: info.name.clone(),
            parameters: info.parameters,
            weight_bytes: info.weight_bytes,
            context: info.context,
            quantization: info.quantization.clone(),
            kernel: info.kernel.clone(),
            threads: info.threads,
        }
    }

    fn defaults(&self) -> Settings {
        let advised = self.model.info().sampling.temperature;
        Settings {
            temperature: advised.clamp(*TEMPERATURE.start(), *TEMPERATURE.end()),
            max_tokens: DEFAULT_MAX_TOKENS.clamp(*MAX_TOKENS.start(), *MAX_TOKENS.end()),
            system_prompt: String::new(),
            usd_per_hour: self
                .usd_per_hour
                .clamp(*USD_PER_HOUR.start(), *USD_PER_HOUR.end()),
        }
    }

    fn conversation(&self, id: &str) -> Option<Conversation> {
        self.store.get(id)
    }

    fn answer(&self, run: &str) -> Option<Answer> {
        self.store.answer(&RunId::parse(run)?)
    }

    fn send<'a>(
        &'a self,
        form: &'a MessageForm,
        visitor: Visitor,
    ) -> BoxFuture<'a, Result<Started, Complaint>> {
        Box::pin(self.start(form, Caller(visitor.0)))
    }

    fn stop(&self, run: &str) -> Option<String> {
        let id = RunId::parse(run)?;
        if let Some(run) = self.runs.get(&id) {
            run.stop();
        }
        self.store.get(&id.conversation).map(|found| found.id)
    }

    fn reset(&self, form: &MessageForm) -> Option<String> {
        let earlier = self.store.get(&form.conversation);
        if let Some(turn) = earlier.as_ref().and_then(|earlier| earlier.turns.last()) {
            self.stop(&turn.answer.run);
        }
        let seen = Settings::from_form(form).ok();
        let settings = seen.or_else(|| earlier.map(|earlier| earlier.settings))?;
        Some(self.store.create(settings))
    }

    fn follow(&self, run: &str) -> Following {
        let Some(run) = self.run(run) else {
            return Following::Ended;
        };
        run.follow().map_or(Following::Full, Following::Running)
    }
}

fn check_room(earlier: &Conversation, question: &str) -> Result<(), Complaint> {
    let full = |holds: String| {
        Err(unavailable(format!(
            "this conversation is full: it may hold {holds}; `Reset chat` begins a new one"
        )))
    };
    if earlier.turns.len() >= CONVERSATION_TURNS {
        return full(format!("{CONVERSATION_TURNS} questions"));
    }
    if text_bytes(earlier) + question.len() > CONVERSATION_BYTES {
        return full(format!("{} KiB of text", CONVERSATION_BYTES / 1024));
    }
    Ok(())
}

/// Answers that came to nothing are left out with their questions: templates expect the two to alternate.
fn messages(earlier: Option<&Conversation>, question: &str, system_prompt: &str) -> Vec<Message> {
    let message = |role, content: &str| Message {
        role,
        content: content.to_owned(),
    };
    let mut messages = Vec::new();
    if !system_prompt.is_empty() {
        messages.push(message(Role::System, system_prompt));
    }
    let turns = earlier
        .map(|earlier| earlier.turns.as_slice())
        .unwrap_or_default();
    for turn in turns.iter().filter(|turn| !turn.answer.text.is_empty()) {
        messages.push(message(Role::User, &turn.question));
        messages.push(message(Role::Assistant, &turn.answer.text));
    }
    messages.push(message(Role::User, question));
    messages
}

/// Writes an answer down. One that waits for its turn gives its place up when those who read it have left.
async fn write(mut answer: MeteredAnswer, run: &Run) -> End {
    let mut left = pin!(run.left_waiting());
    loop {
        let event = tokio::select! {
            event = answer.next() => event,
            () = &mut left => return End::Failed(LEFT.to_owned()),
        };
        let Some(event) = event else {
            return End::Failed(reason(&Error::Stopped));
        };
        match event {
            Event::Queued { before, seconds } => run.queued(before, seconds),
            Event::Prefill { done, total } => run.prefill(done, total),
            Event::Text(text) => run.append(&text),
            // The page offers no tools.
            Event::Called(_) => {}
            Event::Finished(completion) => return ended(completion, answer.is_cut_off()),
            Event::Failed(error) => return End::Failed(reason(&error)),
        }
    }
}

fn ended(completion: Completion, cut_off: bool) -> End {
    let measured = completion.metrics;
    let metrics = Metrics {
        time_to_first_token_s: measured.time_to_first_token_s,
        queued_s: measured.queued_s,
        prefill_s: measured.prefill_s,
        prefill_tokens_per_second: measured.prefill_tokens_per_second,
        decode_tokens_per_second: measured.decode_tokens_per_second,
        time_per_output_token_ms: measured.time_per_output_token_ms,
        total_s: measured.total_s,
        usd_per_million_tokens: measured.usd_per_million_tokens,
        usd_total: measured.usd_total,
        usd_share: measured.usd_share,
        usd_alone: measured.usd_alone,
        beside: measured.beside,
        prompt_tokens: completion.prompt_tokens,
        cached_tokens: completion.cached_tokens,
        output_tokens: measured.completion_tokens,
    };
    match completion.finish_reason {
        FinishReason::Stop => End::Complete(metrics),
        FinishReason::Length => End::Length(metrics),
        FinishReason::Cancelled if cut_off => End::CutOff(metrics),
        FinishReason::Cancelled => End::Stopped(metrics),
    }
}

fn refusal(error: &Error) -> Complaint {
    let reason = reason(error);
    match error {
        Error::Request { field, .. } => Complaint {
            reason,
            // The page's form has no other field that the engine knows than settings of the same names.
            kind: ComplaintKind::Field(match *field {
                "messages" => "message",
                other => other,
            }),
        },
        Error::Busy { wait, .. } => {
            let retry_after_s = retry_after_s(*wait);
            Complaint {
                reason: format!("{reason}; try again in about {retry_after_s} s"),
                kind: ComplaintKind::Busy { retry_after_s },
            }
        }
        Error::Ending => unavailable(format!("{reason}; try again in a moment")),
        _ => unavailable(reason),
    }
}

/// What a person may read: errors of the machine stay in the log.
fn reason(error: &Error) -> String {
    match error {
        Error::Request { .. }
        | Error::Busy { .. }
        | Error::WaitedTooLong { .. }
        | Error::TooLate { .. }
        | Error::Stopped => error.to_string(),
        Error::Ending => "the server is ending".to_owned(),
        _ => {
            tracing::error!(%error, "an answer failed");
            "the engine could not go on".to_owned()
        }
    }
}

fn running() -> Complaint {
    Complaint {
        reason: "an answer is still being written in this conversation: wait for it or stop it"
            .to_owned(),
        kind: ComplaintKind::Running,
    }
}

fn gone() -> Complaint {
    Complaint {
        reason:
            "the earlier conversation is gone from the server's memory; your message is kept here, \
                 and sending it begins a new conversation"
                .to_owned(),
        kind: ComplaintKind::Gone,
    }
}

fn unavailable(reason: String) -> Complaint {
    Complaint {
        reason,
        kind: ComplaintKind::Unavailable,
    }
}
