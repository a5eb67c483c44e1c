//! Lanes that are being measured as a stream of HTML: a page that is being sent can only grow, so each step appends a piece,
//! and the report at the end makes the style sheet hide them all.

use std::time::Duration;

use futures::StreamExt;
use leptos::prelude::*;
use tokio::time::timeout;

use super::Reader;
use crate::chat::{ComparisonOf, LaneStep, LaneSteps, SharedChat, Stage};
use crate::compare::lane_name;
use crate::domain::{Id, Measurement, Plan};
use crate::figures::{bytes, duration, tokens_per_second};
use crate::language::Language;
use crate::visitor::{Visitor, visitor};

/// How often progress is told while nothing else happens; it also keeps the connection from looking dead.
const TICK: Duration = Duration::from_secs(1);

/// The lanes from now to their end, then what they came to.
pub(super) fn streamed(reader: Reader, chat: SharedChat, of: ComparisonOf) -> AnyView {
    let id = of.comparison.id;
    let visitor = visitor();
    match chat.follow_comparison(id) {
        Some(steps) => {
            let follower = Follower {
                reader,
                id,
                steps,
                plan: of.comparison.plan,
                shown: None,
                last: None,
            };
            appended(follower, chat, visitor)
        }
        // It ended between two looks, or has too many readers.
        None => Suspend::new(async move { last(&reader, &chat, visitor, id).await }).into_any(),
    }
}

/// The next piece, and in its place the one after it.
fn appended(mut follower: Follower, chat: SharedChat, visitor: Visitor) -> AnyView {
    Suspend::new(async move {
        // Pieces that are there already would otherwise nest in one call and use up the stack.
        tokio::task::yield_now().await;
        match follower.next().await {
            Some(piece) => view! { {piece} {appended(follower, chat, visitor)} }.into_any(),
            None => last(&follower.reader, &chat, visitor, follower.id).await,
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

/// What one page has shown of one comparison.
struct Follower {
    reader: Reader,
    id: Id,
    steps: LaneSteps,
    plan: Plan,
    /// The lane whose name stands there last.
    shown: Option<usize>,
    last: Option<LaneStep>,
}

impl Follower {
    async fn next(&mut self) -> Option<AnyView> {
        match timeout(TICK, self.steps.next()).await {
            Err(_) => {
                if let Some(last) = &mut self.last {
                    last.elapsed += TICK;
                }
                Some(self.tick().into_any())
            }
            Ok(Some(step)) => Some(self.piece(step)),
            Ok(None) => None,
        }
    }

    fn piece(&mut self, step: LaneStep) -> AnyView {
        let ended = step.ended.iter().map(|lane| self.ended(lane));
        let ended: Vec<_> = ended.collect();
        let head = (self.shown != Some(step.lane))
            .then(|| self.head(step.lane))
            .flatten();
        self.shown = Some(step.lane);
        let text = (!step.text.is_empty())
            .then(|| view! { <span class="lane-text" dir="auto">{step.text.clone()}</span> });
        // Behind a lane's end the next one tells what it is at, and text tells it without words.
        let is_told = ended.is_empty() && (head.is_some() || text.is_none());
        self.last = Some(step);
        let tick = is_told.then(|| self.tick());
        view! { {head} {tick} {text} {ended} }.into_any()
    }

    fn head(&self, lane: usize) -> Option<AnyView> {
        let lane = self.plan.lanes.get(lane)?;
        let name = lane_name(self.reader.t, &self.plan, lane);
        Some(view! { <h2>{name}</h2> }.into_any())
    }

    fn ended(&self, lane: &Measurement) -> AnyView {
        let t = self.reader.t;
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
        let (t, step) = (self.reader.t, self.last.as_ref()?);
        let what = stage(t, step.stage, self.plan.rounds);
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
