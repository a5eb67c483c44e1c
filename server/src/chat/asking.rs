//! From a question to the engine: what is written down, what the engine is asked, and what becomes of it when it refuses.

use std::sync::Arc;

use nibble_app::chat::{Change, Chat, Started, WhenFull};
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::domain::{Content, End, EndReason, Foreseen, Id, Origin};
use nibble_app::settings::{SEED, Settings};
use nibble_app::visitor::Visitor;
use nibble_engine::{Caller, Error, ModelInfo};

use super::ChatService;
use super::complaints::{refusal, unstored};
use super::writing::{LEFT, Writer};
use crate::metered::MeteredAnswer;
use crate::models::Ready;
use crate::on_behalf::on_behalf;
use crate::runs::{Asker, Run};
use crate::store::{Ask, Begun, Copied, Part, StoreError};

impl ChatService {
    /// Writes a question down and has it answered.
    pub(super) async fn start(
        &self,
        visitor: Visitor,
        ask: Ask,
        settings: Settings,
        when_full: WhenFull,
    ) -> Result<Started, Complaint> {
        let (writer, origin) = (self.writer.clone(), self.origin(settings));
        let told = self.estimates.take(visitor.owner, &ask);
        let asked = Asked {
            visitor,
            when_full,
            told,
        };
        to_its_end(async move |asker| writer.start(ask, origin, asked, asker).await).await
    }

    /// Has an answer gone on with that was cut off.
    pub(super) async fn start_again(
        &self,
        visitor: Visitor,
        answer: Id,
        when_full: WhenFull,
    ) -> Result<Started, Complaint> {
        let writer = self.writer.clone();
        to_its_end(async move |asker| match when_full {
            WhenFull::NewChat => writer.start_elsewhere(visitor, answer, asker).await,
            _ => writer.start_again(visitor, answer, when_full, asker).await,
        })
        .await
    }

    /// The question of an answer that the visitor may read.
    pub(super) async fn question_of(
        &self,
        visitor: Visitor,
        answer: Id,
    ) -> Result<Content, Complaint> {
        let place = self.place(visitor, answer).await;
        let place = place.ok_or_else(Complaint::gone)?;
        let window = self.writer.store.window(place, Some(answer), Part::Last(1));
        let turn = window.await.map_err(unstored)?.turns.pop();
        let question = turn.ok_or_else(Complaint::gone)?.question;
        Ok(Content {
            text: question.text,
            attachments: question.attachments,
        })
    }

    /// What an answer is going to be made with.
    pub(super) fn origin(&self, settings: Settings) -> Origin {
        let model = self.writer.models.named_or_first(&settings.model);
        Origin {
            seed: settings.seed.unwrap_or_else(|| rand::random_range(SEED)),
            settings,
            ..made_by(model.info())
        }
    }
}

/// Of what a model answers as it is now, but for the settings.
pub(super) fn made_by(info: &ModelInfo) -> Origin {
    Origin {
        model: info.name.clone(),
        quantization: info.quantization.clone(),
        kv: info.kv.clone(),
        kernel: info.kernel.clone(),
        threads: info.threads,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        fingerprint: info.fingerprint.clone(),
        ..Origin::default()
    }
}

/// Goes on when whoever asked has left, which is told: what is written down as open must be answered, or ended.
async fn to_its_end<F>(work: impl FnOnce(Asker) -> F) -> Result<Started, Complaint>
where
    F: Future<Output = Result<Started, Complaint>> + Send + 'static,
{
    let (_here, asker) = Asker::new();
    let work = work(asker);
    let done = tokio::spawn(on_behalf(work)).await;
    done.unwrap_or_else(|_| Err(refusal(&Error::Broken)))
}

/// Who asks, and how.
#[derive(Clone, Copy)]
struct Asked {
    visitor: Visitor,
    when_full: WhenFull,
    /// What was expected of the answer when its question was typed.
    told: Option<Foreseen>,
}

impl Writer {
    async fn start(
        self,
        ask: Ask,
        origin: Origin,
        asked: Asked,
        asker: Asker,
    ) -> Result<Started, Complaint> {
        let Asked {
            visitor,
            when_full,
            told,
        } = asked;
        let begun = self.store.begin(visitor.owner, ask, origin).await;
        let begun = begun.map_err(unstored)?;
        let id = begun.turn.answer.id;
        let run = self.runs.begin(id, visitor.owner);
        let started = Started {
            conversation: begun.conversation.clone(),
            turn: begun.turn.clone(),
        };
        let caller = Caller(visitor.caller);
        let model = self
            .models
            .named_or_first(&begun.turn.answer.origin.settings.model);
        // Who waits for a model to be loaded, waits on the page of the conversation.
        let waits = matches!(model.ask(None), Ok(Ready::Soon));
        if begun.after.is_some() || waits {
            if begun.after.is_some() {
                run.behind();
            }
            tokio::spawn(on_behalf(follow_up(self, run, begun, asked)));
            return Ok(started);
        }
        let known = self.known_of(visitor.owner, &begun, told).await;
        let asked = self.asked(&run, &begun, caller, when_full);
        match unless_left(asked, &run, &asker).await {
            Ok(answer) => {
                let written = async move { self.write(id, &run, answer, Some(known), None).await };
                tokio::spawn(written);
                Ok(started)
            }
            Err(Unasked::Withdrawn) => Err(Complaint::gone()),
            Err(Unasked::Left) => {
                self.end(id, &run, End::failed(LEFT)).await;
                Err(Complaint::gone())
            }
            Err(Unasked::Refused(complaint)) => {
                self.runs.remove(id);
                if let Err(error) = self.store.withdraw(id).await {
                    tracing::error!("a refused question cannot be taken back: {error}");
                }
                Err(complaint)
            }
        }
    }

    /// In a conversation that has nothing but the question and the answer so far.
    async fn start_elsewhere(
        self,
        visitor: Visitor,
        answer: Id,
        asker: Asker,
    ) -> Result<Started, Complaint> {
        let store = Arc::clone(&self.store);
        let copied = async {
            let copy = store.copy(visitor.owner, answer, Copied::LastTurn).await?;
            let found = store.conversation(copy).await?;
            let tip = found.and_then(|(conversation, _)| conversation.tip);
            Ok((copy, tip.ok_or(StoreError::Gone)?))
        };
        let (copy, tip) = copied.await.map_err(unstored)?;
        let started = self
            .start_again(visitor, tip, WhenFull::Refuse, asker)
            .await;
        if started.is_err()
            && let Err(error) = store.change(visitor.owner, copy, Change::Delete).await
        {
            tracing::error!("a chat that was not gone on with cannot be deleted: {error}");
        }
        started
    }

    async fn start_again(
        self,
        visitor: Visitor,
        answer: Id,
        when_full: WhenFull,
        asker: Asker,
    ) -> Result<Started, Complaint> {
        let begun = self.store.reopen(visitor.owner, answer).await;
        let begun = begun.map_err(unstored)?;
        let before = begun.turn.answer.clone();
        let run = self.runs.begin(answer, visitor.owner);
        run.go_on_with(&before.thought, &before.text);
        let caller = Caller(visitor.caller);
        let asked = match before.may_go_on() || before.lacks_room() {
            true => {
                let asked = self.asked(&run, &begun, caller, when_full);
                unless_left(asked, &run, &asker).await
            }
            false => Err(Unasked::Refused(Complaint::gone())),
        };
        match asked {
            Ok(rest) => {
                let before = begun.before;
                tokio::spawn(async move { self.write(answer, &run, rest, None, before).await });
                Ok(Started {
                    conversation: begun.conversation,
                    turn: begun.turn,
                })
            }
            Err(Unasked::Withdrawn) => Err(Complaint::gone()),
            Err(unasked) => {
                let end = before
                    .end
                    .unwrap_or_else(|| End::failed("it was not written"));
                self.end(answer, &run, end).await;
                Err(match unasked {
                    Unasked::Refused(complaint) => complaint,
                    _ => Complaint::gone(),
                })
            }
        }
    }
}

/// Why the engine was not asked.
enum Unasked {
    /// It, or what comes before it, cannot take the question.
    Refused(Complaint),
    /// Somebody has withdrawn the question, and ended it.
    Withdrawn,
    /// Nobody is there to read the answer.
    Left,
}

/// The answer that is asked for, unless nobody wants it any more before its turn to be prepared comes: its place is then free.
async fn unless_left(
    asked: impl Future<Output = Result<MeteredAnswer, Complaint>>,
    run: &Run,
    asker: &Asker,
) -> Result<MeteredAnswer, Unasked> {
    tokio::select! {
        biased;
        asked = asked => asked.map_err(Unasked::Refused),
        () = run.until_ended() => Err(Unasked::Withdrawn),
        () = run.left_waiting(asker) => Err(Unasked::Left),
    }
}

/// Waits for the answer before it, unless it is withdrawn meanwhile, and is then written.
async fn follow_up(writer: Writer, run: Arc<Run>, begun: Begun, asked: Asked) {
    let Asked {
        visitor,
        when_full,
        told,
    } = asked;
    let caller = Caller(visitor.caller);
    let id = begun.turn.answer.id;
    let mut before = begun.after;
    while let Some(answer) = before {
        tokio::select! {
            () = writer.until_done(answer) => {}
            () = run.until_ended() => return,
        }
        // It may have been withdrawn, and have waited itself.
        before = writer.open_before(&begun).await;
    }
    if begun.after.is_some() {
        run.has_its_turn();
    }
    // It may take a while to be loaded.
    let settings = &begun.turn.answer.origin.settings;
    let model = writer.models.named_or_first(&settings.model);
    let lease = model.lease(None).await;
    // Whoever withdraws it ends it, too.
    if run.is_unwanted() {
        return;
    }
    match &lease {
        Ok(lease) => run.was_loaded_for(lease.waited()),
        Err(error) => {
            let reason = refusal(error).reason.to_string();
            return writer.end(id, &run, End::failed(reason)).await;
        }
    };
    let known = writer.known_of(visitor.owner, &begun, told).await;
    let asked = writer.asked(&run, &begun, caller, when_full);
    match unless_left(asked, &run, &Asker::default()).await {
        Ok(answer) => writer.write(id, &run, answer, Some(known), None).await,
        Err(Unasked::Withdrawn) => {}
        Err(Unasked::Left) => writer.end(id, &run, End::failed(LEFT)).await,
        Err(Unasked::Refused(complaint)) => {
            let end = match complaint.kind {
                // Below it stand the ways on.
                ComplaintKind::Full => End {
                    reason: EndReason::Context,
                    metrics: None,
                },
                _ => End::failed(complaint.reason.to_string()),
            };
            writer.end(id, &run, end).await;
        }
    }
}
