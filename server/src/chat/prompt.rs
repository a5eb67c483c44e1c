//! What the engine is told of a conversation: the branch that is shown, or as much of it as its context has room for.

use std::sync::Arc;

use nibble_app::chat::WhenFull;
use nibble_app::complaint::{Complaint, ComplaintKind};
use nibble_app::domain::{self, Content, Id, Origin, Piece, Turn};
use nibble_app::language::{Language, Told};
use nibble_app::settings::Settings;
use nibble_engine::{
    self as engine, Caller, Conversation, ConversationKey, Error, Message, Prompt, Request, Role,
    Sampling, Thinking,
};

use super::complaints::{refusal, too_much_text, unstored};
use super::memory::{Room, begins};
use super::writing::Writer;
use crate::metered::{Metered, MeteredAnswer};
use crate::runs::Run;
use crate::store::{Begun, Part, Window};

/// The most text that the model is told of a conversation: its template is rendered anew for each question.
const BRANCH_BYTES: usize = 256 * 1024;

/// What can be told of a branch for its last answer; cheap to clone.
#[derive(Clone)]
struct Branch {
    turns: Arc<[Turn]>,
    origin: Arc<Origin>,
    advised: Sampling,
    caller: Caller,
    /// Whose earlier answers it may be guessed from.
    conversation: ConversationKey,
}

impl Writer {
    /// The request that a message would become, without being written down.
    ///
    /// # Errors
    /// Those of the engine and the store.
    pub(super) async fn next(
        &self,
        conversation: Option<domain::Conversation>,
        content: Content,
        settings: Settings,
        caller: Caller,
    ) -> Result<Request, Complaint> {
        let (mut turns, mut began) = (Vec::new(), None);
        if let Some(conversation) = conversation {
            let (id, tip) = (conversation.id, conversation.tip);
            let window = self.window(id, tip, Part::Whole).await;
            let Window {
                turns: branch,
                memory,
                ..
            } = window.map_err(unstored)?;
            turns = branch;
            began = memory.and_then(|id| turns.iter().position(|turn| turn.question.id == id));
        }
        let model = self.models.named_or_first(&settings.model);
        let advised = model.info().sampling;
        let origin = Origin {
            settings,
            ..Origin::default()
        };
        turns.push(Turn::unanswered(content, origin.clone()));
        turns.drain(..within_bytes(&turns, began.unwrap_or(0)));
        let told = Branch {
            turns: turns.into(),
            origin: Arc::new(origin),
            advised,
            caller,
            // It is not asked for.
            conversation: ConversationKey::Unkept,
        };
        let start = match began.is_some() {
            true => start_of(&model, &told).await?,
            false => 0,
        };
        Ok(told.from(start))
    }

    /// Asks the engine for an answer that is in the store.
    ///
    /// # Errors
    /// Those of the engine and the store. Where all turns are more than the context has room for, and the last one alone is
    /// not, [`ComplaintKind::Full`].
    pub(super) async fn asked(
        &self,
        run: &Run,
        begun: &Begun,
        caller: Caller,
        when_full: WhenFull,
    ) -> Result<MeteredAnswer, Complaint> {
        let (conversation, answer) = (begun.conversation.id, &begun.turn.answer);
        let branch = self.window(conversation, Some(answer.id), Part::Whole);
        let Window {
            mut turns, memory, ..
        } = branch.await.map_err(unstored)?;
        let began = memory.and_then(|id| turns.iter().position(|turn| turn.question.id == id));
        let forgets = began.is_some() || when_full == WhenFull::Forget;
        let before = began.unwrap_or(0);
        // What is not told is not held either while the question waits for its turn.
        let within = within_bytes(&turns, before);
        if within > before && !forgets {
            return Err(too_much_text(BRANCH_BYTES));
        }
        turns.drain(..within);
        let model = self.models.named_or_first(&answer.origin.settings.model);
        // It is loaded for whichever comes first, to count tokens or to answer.
        let lease = model.lease(None).await.map_err(|error| {
            model.count_refused(&error);
            refusal(&error)
        })?;
        let loading = run.was_loaded_for(lease.waited());
        let told = Branch {
            turns: turns.into(),
            origin: Arc::new(answer.origin.clone()),
            advised: model.info().sampling,
            caller,
            conversation: ConversationKey::Name(conversation.to_string()),
        };
        let start = match forgets {
            true => start_of(&model, &told).await?,
            false => 0,
        };
        let request = Request {
            accepted: Some(run.started()),
            ..told.from(start)
        };
        let mut asked = match self.ask(&model, run, request).await {
            Ok(asked) => asked,
            Err(error @ Error::TooLong { .. }) if start < told.last() => {
                return Err(too_long(&model, &told, error).await);
            }
            Err(error) => return Err(refusal(&error)),
        };
        asked.was_loaded_for(loading);
        let piece = Piece {
            turns: told.turns.len() - start,
            thought: answer.thought.len(),
            text: answer.text.len(),
        };
        if let Err(error) = self.store.add_piece(answer.id, piece).await {
            tracing::error!("what an answer was told is not kept: {error}");
        }
        if within + start > before
            && let Err(error) = self.store.begin_memory(told.turns[start].question.id).await
        {
            tracing::error!("where memory begins is not kept: {error}");
        }
        Ok(asked)
    }

    /// Asks the engine for an answer once more, or for a piece of it, with all that it was told when it wrote it; where that was
    /// not kept, with what it would be told now.
    ///
    /// # Errors
    /// Those of the engine and the store, and that some of what it was told is not in this conversation.
    pub(super) async fn asked_again(
        &self,
        conversation: Id,
        answer: Id,
        piece: Option<Piece>,
        caller: Caller,
    ) -> Result<MeteredAnswer, Complaint> {
        let branch = self.window(conversation, Some(answer), Part::Whole);
        let Window {
            mut turns, memory, ..
        } = branch.await.map_err(unstored)?;
        let began = memory.and_then(|id| turns.iter().position(|turn| turn.question.id == id));
        let last = turns.last_mut().ok_or_else(Complaint::gone)?;
        let Piece { thought, text, .. } = piece.unwrap_or_default();
        let (said, thinking) = (&mut last.answer.text, &mut last.answer.thought);
        *said = said.get(..text).unwrap_or_default().to_owned();
        *thinking = thinking.get(..thought).unwrap_or_default().to_owned();
        let origin = Arc::new(last.answer.origin.clone());
        let left_out = match piece {
            Some(piece) => turns
                .len()
                .checked_sub(piece.turns)
                .ok_or_else(left_behind)?,
            None => within_bytes(&turns, began.unwrap_or(0)),
        };
        turns.drain(..left_out);
        let model = self.models.named_or_first(&origin.settings.model);
        let told = Branch {
            turns: turns.into(),
            origin,
            advised: model.info().sampling,
            caller,
            conversation: ConversationKey::Name(conversation.to_string()),
        };
        let start = match began.is_some() && piece.is_none() {
            true => start_of(&model, &told).await?,
            false => 0,
        };
        let asked = model.submit(told.from(start)).await;
        asked.map_err(|error| refusal(&error))
    }
}

/// That an answer was told turns of the chat that it was copied from.
fn left_behind() -> Complaint {
    Complaint {
        reason: Told::new(Language::replay_left_behind),
        kind: ComplaintKind::Unavailable,
    }
}

/// The turn with which memory begins.
async fn start_of(model: &Metered, told: &Branch) -> Result<usize, Complaint> {
    let told = told.clone();
    let context = model.info().context;
    let room = Room::of(context, told.origin.settings.max_tokens);
    let start = model.counted(told.caller, move |engine| {
        begins(told.turns.len(), 0, room, |from| {
            engine.prompt_length(told.from(from))
        })
    });
    start.await.map_err(|error| refusal(&error))
}

/// What to say of a branch that does not fit: whether fewer turns of it would.
async fn too_long(model: &Metered, told: &Branch, error: Error) -> Complaint {
    let Error::TooLong {
        tokens,
        is_exact,
        context,
        field,
    } = error
    else {
        return refusal(&error);
    };
    let last = told.from(told.last());
    match model
        .counted(told.caller, move |engine| engine.prompt_length(last))
        .await
    {
        Ok(alone) if alone < context => Complaint::full(tokens, is_exact, context),
        Ok(tokens) => refusal(&Error::TooLong {
            field,
            tokens,
            is_exact: tokens <= 2 * context,
            context,
        }),
        Err(error) => refusal(&error),
    }
}

impl Branch {
    /// The last turn, which is what is asked.
    fn last(&self) -> usize {
        self.turns.len().saturating_sub(1)
    }

    /// The request that tells of the turns from this one on.
    fn from(&self, start: usize) -> Request {
        let Origin { settings, seed, .. } = &*self.origin;
        let advised = &self.advised;
        Request {
            prompt: Prompt::Chat(conversation(&self.turns[start..], &settings.system_prompt)),
            sampling: Sampling {
                temperature: settings.temperature,
                top_k: settings.top_k.unwrap_or(advised.top_k),
                top_p: settings.top_p.unwrap_or(advised.top_p),
                min_p: settings.min_p.unwrap_or(advised.min_p),
                seed: Some(*seed),
            },
            max_tokens: settings.max_tokens,
            thinking: Thinking {
                enabled: settings.thinking,
                budget: settings.thought_tokens,
            },
            constraint: None,
            stop: settings.stop.clone(),
            usd_per_hour: settings.usd_per_hour,
            caller: self.caller,
            conversation: self.conversation.clone(),
            ..Request::default()
        }
    }
}

/// The first turn from this one on from which there is no more text than may be; the last one has that.
fn within_bytes(turns: &[Turn], before: usize) -> usize {
    let mut bytes = 0;
    let within = turns[before..].iter().rev().take_while(|turn| {
        bytes += turn.question.bytes() + turn.answer.text.len();
        bytes <= BRANCH_BYTES
    });
    (turns.len() - within.count()).min(turns.len().saturating_sub(1))
}

/// A branch as the model is told it. Answers that came to nothing are left out with their questions: templates expect the
/// two to alternate. What there is of the last answer is gone on with.
fn conversation(turns: &[Turn], system_prompt: &str) -> Conversation {
    let said = |role, content: &str| {
        let content = content.to_owned();
        engine::Turn::Said(Message { role, content })
    };
    let mut told = Vec::new();
    if !system_prompt.is_empty() {
        told.push(said(Role::System, system_prompt));
    }
    let last = turns.len().saturating_sub(1);
    for (index, turn) in turns.iter().enumerate() {
        let answer = &turn.answer;
        if answer.text.is_empty() && index < last {
            continue;
        }
        told.push(said(Role::User, &turn.question.told()));
        if index == last && !answer.text.is_empty() {
            told.push(engine::Turn::Answered {
                thought: answer.thought.clone(),
                content: answer.text.clone(),
                calls: Vec::new(),
            });
        } else if !answer.text.is_empty() {
            told.push(said(Role::Assistant, &answer.text));
        }
    }
    let goes_on = turns
        .last()
        .is_some_and(|turn| !turn.answer.text.is_empty());
    Conversation {
        continues_last: goes_on,
        ..told.into()
    }
}
