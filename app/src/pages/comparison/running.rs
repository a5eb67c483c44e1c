//! Lanes that are being measured as a stream of HTML, side by side: a page that is being sent can only grow, so each step
//! appends a piece to its lane, whose column is open until it ends, and the report at the end makes the style sheet hide them all.

use std::mem;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::oneshot::{Receiver, Sender, channel};
use futures::stream::Fuse;
use leptos::prelude::*;
use tokio::time::timeout;

use super::Reader;
use crate::chat::{ComparisonOf, LaneStep, LaneSteps, SharedChat, Stage};
use crate::compare::lane_name;
use crate::domain::{Id, Measurement};
use crate::figures::{bytes, duration, tokens_per_second};
use crate::language::Language;
use crate::visitor::{Visitor, visitor};

/// How often progress is told while nothing else happens; it also keeps the connection from looking dead.
const TICK: Duration = Duration::from_secs(1);

/// The lanes from now to their end, then what they came to.
pub(super) fn streamed(reader: Reader, chat: SharedChat, of: ComparisonOf) -> AnyView {
    let (id, plan) = (of.comparison.id, of.comparison.plan);
    let visitor = visitor();
    // It ended between two looks, or has too many readers.
    let Some(steps) = chat.follow_comparison(id) else {
        return Suspend::new(async move { last(&reader, &chat, visitor, id).await }).into_any();
    };
    let (t, rounds) = (reader.t, plan.rounds);
    let (first, mut turn) = channel();
    // The receiver is here.
    let _ = first.send(Follower {
        t,
        // Columns of lanes that never began ask too.
        steps: steps.fuse(),
        rounds,
        last: None,
    });
    let columns = plan.lanes.iter().map(|lane| {
        let (pass, next) = channel();
        let turn = mem::replace(&mut turn, next);
        column(lane_name(t, &plan, lane), turn, pass)
    });
    let (lanes, columns) = (plan.lanes.len(), columns.collect::<Vec<_>>());
    let report = Suspend::new(async move {
        if let Ok(mut follower) = turn.await {
            while follower.next().await.is_some() {}
        }
        last(&reader, &chat, visitor, id).await
    });
    view! {
        <div class="columns" data-lanes=lanes>{columns}</div>
        {report}
    }
    .into_any()
}

/// One lane, when it is its turn; the next one has its turn afterwards.
fn column(name: String, turn: Receiver<Follower>, pass: Sender<Follower>) -> AnyView {
    let pieces = Suspend::new(async move { Some(appended(turn.await.ok()?, pass)) });
    view! { <section><h2>{name}</h2> {pieces}</section> }.into_any()
}

/// The next piece of a lane, and in its place the one after it.
fn appended(mut follower: Follower, pass: Sender<Follower>) -> AnyView {
    Suspend::new(async move {
        // Pieces that are there already would otherwise nest in one call and use up the stack.
        tokio::task::yield_now().await;
        match follower.next().await {
            Some((piece, Lane::Open)) => view! { {piece} {appended(follower, pass)} }.into_any(),
            ended => {
                // Nobody waits for it when the page is not read on.
                let _ = pass.send(follower);
                ended.map(|(piece, _)| piece).into_any()
            }
        }
    })
    .into_any()
}

async fn last(reader: &Reader, chat: &SharedChat, visitor: Visitor, id: Id) -> AnyView {
    let t = reader.t;
    let report = match chat.comparison(visitor, id).await {
        Ok(Some(of)) if !of.is_running => reader.report(&of.comparison),
        Ok(_) => view! { <p class="outcome">{t.comparison_unfollowed()}</p> }.into_any(),
        Err(trouble) => {
            let reason = trouble.reason.sentence(t);
            view! { <p class="outcome failed">{reason}</p> }.into_any()
        }
    };
    view! { <div class="final">{report}</div> }.into_any()
}

/// Whether more of a lane comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Open,
    Ended,
}

/// What one page has shown of one comparison.
struct Follower {
    t: Language,
    steps: Fuse<LaneSteps>,
    rounds: usize,
    last: Option<LaneStep>,
}

impl Follower {
    async fn next(&mut self) -> Option<(AnyView, Lane)> {
        match timeout(TICK, self.steps.next()).await {
            Err(_) => {
                if let Some(last) = &mut self.last {
                    last.elapsed += TICK;
                }
                Some((self.tick().into_any(), Lane::Open))
            }
            Ok(Some(step)) => Some(self.piece(step)),
            Ok(None) => None,
        }
    }

    fn piece(&mut self, step: LaneStep) -> (AnyView, Lane) {
        let ended = step.ended.iter().map(|lane| self.ended(lane));
        let ended: Vec<_> = ended.collect();
        let lane = match ended.is_empty() {
            true => Lane::Open,
            false => Lane::Ended,
        };
        let text = (!step.text.is_empty())
            .then(|| view! { <span class="lane-text" dir="auto">{step.text.clone()}</span> });
        // Text and figures tell it without words.
        let is_told = lane == Lane::Open && text.is_none();
        self.last = Some(step);
        let tick = is_told.then(|| self.tick());
        (view! { {tick} {text} {ended} }.into_any(), lane)
    }

    fn ended(&self, lane: &Measurement) -> AnyView {
        let t = self.t;
        if let Some(why) = &lane.trouble {
            return view! { <p class="outcome failed">{t.lane_failed(why)}</p> }.into_any();
        }
        let figures = [
            lane.first_token_s()
                .map(|time| t.lane_first(duration(t, time))),
            lane.decode().map(|speed| tokens_per_second(t, speed)),
        ];
        let figures: Vec<_> = figures.into_iter().flatten().collect();
        view! { <p class="lane-figures">{figures.join(" · ")}</p> }.into_any()
    }

    /// What it is at, in words.
    fn tick(&self) -> Option<AnyView> {
        let (t, step) = (self.t, self.last.as_ref()?);
        let what = stage(t, step.stage, self.rounds);
        let text = format!("{what} · {}", duration(t, step.elapsed.as_secs_f64()));
        Some(view! { <span class="tick">{text}</span> }.into_any())
    }
}

fn stage(t: Language, stage: Stage, rounds: usize) -> String {
    match stage {
        Stage::Waiting => t.lane_waits().to_owned(),
        Stage::Loading { total: 0, .. } => t.lane_loads().to_owned(),
        Stage::Loading { done, total } => t.lane_packs(bytes(done), bytes(total)),
        Stage::Measuring { round } => t.lane_measures(round, rounds),
    }
}
