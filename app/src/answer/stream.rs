//! A running answer as a stream of HTML, for pages without JavaScript.
//!
//! A page that is being sent can only grow. So each step appends a piece (a word on progress, text, a block whose
//! Markdown is settled), each piece makes the style sheet hide those that it replaces, and the ended answer hides all.

use std::mem::{self, discriminant};
use std::time::Duration;

use futures::StreamExt;
use leptos::prelude::*;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::acts::Withdraw;
use super::{ended, figures_so_far};
use crate::chat::{Following, Id, Phase, Progress, ProgressStream, SharedChat};
use crate::figures::{duration, grouped};
use crate::language::Language;
use crate::live::LiveText;

/// How often progress is told while nothing else happens; it also keeps the connection from looking dead.
const TICK: Duration = Duration::from_secs(1);

/// The answer of a run from now to its end, then as it ended.
pub(super) fn streamed(t: Language, chat: SharedChat, run: Id, own: bool) -> AnyView {
    match chat.follow(run) {
        Following::Running(progress) => appended(Follower::new(t, chat, run, own, progress)),
        Following::Full => view! {
            <p class="outcome">
                {t.readers_full()}
            </p>
        }
        .into_any(),
        // It ended between two looks.
        Following::Ended => Suspend::new(async move { last(t, &chat, run, own).await }).into_any(),
    }
}

/// The next piece, and in its place the one after it.
fn appended(mut follower: Follower) -> AnyView {
    Suspend::new(async move {
        // Pieces that are there already would otherwise nest in one call and use up the stack.
        tokio::task::yield_now().await;
        match follower.next().await {
            Some(piece) => view! { {piece} {appended(follower)} }.into_any(),
            None => last(follower.t, &follower.chat, follower.run, follower.own).await,
        }
    })
    .into_any()
}

async fn last(t: Language, chat: &SharedChat, run: Id, own: bool) -> AnyView {
    match chat.answer(run).await {
        Some(answer) if answer.end.is_some() => ended(t, &answer, own),
        _ => view! {
            <div class="final">
                <p class="outcome failed">{t.answer_unreadable()}</p>
            </div>
        }
        .into_any(),
    }
}

/// What one page has shown of one run.
struct Follower {
    t: Language,
    chat: SharedChat,
    run: Id,
    own: bool,
    progress: ProgressStream,
    live: LiveText,
    phase: Phase,
    /// Its speed so far, or what there is before it has one.
    figure: Option<String>,
    started: Instant,
    told: Instant,
}

impl Follower {
    fn new(t: Language, chat: SharedChat, run: Id, own: bool, progress: ProgressStream) -> Self {
        let now = Instant::now();
        Self {
            t,
            chat,
            run,
            own,
            progress,
            live: LiveText::new(t),
            phase: Phase::WAITING,
            figure: None,
            started: now,
            told: now,
        }
    }

    async fn next(&mut self) -> Option<AnyView> {
        match timeout(TICK, self.progress.next()).await {
            Err(_) => Some(self.tick()),
            Ok(Some(progress)) => Some(self.piece(&progress).await),
            Ok(None) => None,
        }
    }

    async fn piece(&mut self, progress: &Progress) -> AnyView {
        let now = Instant::now();
        self.started = now.checked_sub(progress.elapsed).unwrap_or(now);
        // Or what was told of the phase before would stand below the first text of this one.
        let turned = discriminant(&self.phase) != discriminant(&progress.phase);
        self.phase = progress.phase;
        self.figure = figures_so_far(self.t, progress).into_iter().next();
        self.live.push(&progress.text);
        let block = self.settled().await;
        let text = match &block {
            Some(_) => self.live.tail().to_owned(),
            None => progress.text.clone(),
        };
        let thought = (!progress.thought.is_empty())
            .then(|| view! { <span class="thinking">{progress.thought.clone()}</span> });
        let withdraw = (turned && self.own && self.phase == Phase::Behind)
            .then(|| view! { <Withdraw t=self.t run=self.run/> });
        let due = turned
            || (text.is_empty() && progress.thought.is_empty())
            || now.duration_since(self.told) >= TICK;
        let tick = due.then(|| self.tick());
        view! {
            {thought}
            {block.map(|html| view! { <div class="block prose" dir="auto" inner_html=html></div> })}
            {(!text.is_empty()).then(|| view! { <span class="tail">{text}</span> })}
            {tick}
            {withdraw}
        }
        .into_any()
    }

    /// Where rendering may take a while.
    async fn settled(&mut self) -> Option<String> {
        let mut live = mem::replace(&mut self.live, LiveText::new(self.t));
        let settled = spawn_blocking(move || {
            let block = live.settle();
            (live, block)
        });
        let (live, block) = settled.await.ok()?;
        self.live = live;
        block
    }

    fn tick(&mut self) -> AnyView {
        self.told = Instant::now();
        let (t, elapsed) = (self.t, self.started.elapsed().as_secs_f64());
        let what = match self.phase {
            Phase::Behind => t.waiting_behind().to_owned(),
            Phase::Queued { .. } => match self.phase.place(t) {
                place if place.is_empty() => t.waiting_turn().to_owned(),
                place => [t.waiting_turn(), &place].join(t.comma()),
            },
            Phase::Prefill { done, total } => {
                let so_far = t.prompt_so_far(grouped(done), grouped(total));
                [t.reading_prompt(), &so_far].join(t.comma())
            }
            Phase::Thinking => t.thinking().to_owned(),
            Phase::Decode => {
                let figure = self.figure.as_deref();
                let parts: Vec<_> = [t.writing()].into_iter().chain(figure).collect();
                parts.join(" · ")
            }
        };
        let text = format!("{what} · {}", duration(t, elapsed));
        view! { <span class="tick">{text}</span> }.into_any()
    }
}
