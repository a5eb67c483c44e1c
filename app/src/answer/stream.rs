//! A running answer as a stream of HTML, for pages without JavaScript.
//!
//! A page that is being sent can only grow. So each step appends a piece (a word on progress, text, a block whose
//! Markdown is settled), each piece makes the style sheet hide those that it replaces, and the ended answer hides all.

use std::mem::discriminant;
use std::time::Duration;

use futures::StreamExt;
use leptos::prelude::*;
use tokio::time::{Instant, timeout};

use super::ended;
use crate::chat::{Answer, End, Following, Phase, Progress, ProgressStream, SharedChat};
use crate::figures::{duration, grouped};
use crate::live::LiveText;

/// How often progress is told while nothing else happens; it also keeps the connection from looking dead.
const TICK: Duration = Duration::from_secs(1);

/// The answer of a run from now to its end, then as it ended.
pub(super) fn streamed(chat: SharedChat, run: String) -> AnyView {
    match chat.follow(&run) {
        Following::Running(progress) => appended(Follower::new(chat, run, progress)),
        Following::Full => view! {
            <p class="outcome">
                "So many people follow this answer that there is no room for another. Load the page again in a moment."
            </p>
        }
        .into_any(),
        // It ended between two looks.
        Following::Ended => last(&chat, &run),
    }
}

/// The next piece, and in its place the one after it.
fn appended(mut follower: Follower) -> AnyView {
    Suspend::new(async move {
        // Pieces that are there already would otherwise nest in one call and use up the stack.
        tokio::task::yield_now().await;
        match follower.next().await {
            Some(piece) => view! { {piece} {appended(follower)} }.into_any(),
            None => last(&follower.chat, &follower.run),
        }
    })
    .into_any()
}

fn last(chat: &SharedChat, run: &str) -> AnyView {
    let answer = chat.answer(run).unwrap_or_else(|| Answer {
        run: run.to_owned(),
        text: String::new(),
        end: None,
    });
    ended(&Answer {
        end: answer
            .end
            .or_else(|| Some(End::Failed("its conversation is gone".to_owned()))),
        ..answer
    })
}

/// What one page has shown of one run.
struct Follower {
    chat: SharedChat,
    run: String,
    progress: ProgressStream,
    live: LiveText,
    phase: Phase,
    started: Instant,
    told: Instant,
}

impl Follower {
    fn new(chat: SharedChat, run: String, progress: ProgressStream) -> Self {
        let now = Instant::now();
        Self {
            chat,
            run,
            progress,
            live: LiveText::default(),
            phase: Phase::WAITING,
            started: now,
            told: now,
        }
    }

    async fn next(&mut self) -> Option<AnyView> {
        match timeout(TICK, self.progress.next()).await {
            Err(_) => Some(self.tick()),
            Ok(Some(progress)) => Some(self.piece(&progress)),
            Ok(None) => None,
        }
    }

    fn piece(&mut self, progress: &Progress) -> AnyView {
        let now = Instant::now();
        self.started = now.checked_sub(progress.elapsed).unwrap_or(now);
        // Or what was told of the phase before would stand below the first text of this one.
        let turned = discriminant(&self.phase) != discriminant(&progress.phase);
        self.phase = progress.phase;
        self.live.push(&progress.text);
        let block = self.live.settle();
        let text = match &block {
            Some(_) => self.live.tail().to_owned(),
            None => progress.text.clone(),
        };
        let due = turned || text.is_empty() || now.duration_since(self.told) >= TICK;
        let tick = due.then(|| self.tick());
        view! {
            {block.map(|html| view! { <div class="block prose" dir="auto" inner_html=html></div> })}
            {(!text.is_empty()).then(|| view! { <span class="tail">{text}</span> })}
            {tick}
        }
        .into_any()
    }

    fn tick(&mut self) -> AnyView {
        self.told = Instant::now();
        let elapsed = duration(self.started.elapsed().as_secs_f64());
        let text = match self.phase {
            Phase::Queued { .. } => match self.phase.place() {
                place if place.is_empty() => format!("Waiting for its turn · {elapsed}"),
                place => format!("Waiting for its turn, {place} · {elapsed}"),
            },
            Phase::Prefill { done, total } => {
                let (done, total) = (grouped(done), grouped(total));
                format!("Reading the prompt, {done} of {total} tokens · {elapsed}")
            }
            Phase::Decode => format!("Writing · {elapsed}"),
        };
        view! { <span class="tick">{text}</span> }.into_any()
    }
}
