//! A model on its way: what is being done, how much of it is here, how fast it comes, and what came of it.

use leptos::prelude::*;

use super::{begin, failed};
use crate::chat::{FetchEnd, Fetching, Leave, Models};
use crate::figures::{bytes, duration, rate_of_bytes};
use crate::language::Language;
use crate::paths::{CANCEL_FETCH, FETCH_EVENTS, MODELS};

/// The fetch that goes on, in a place that a script keeps up to date.
pub(super) fn going_on(t: Language, models: &Models) -> Option<AnyView> {
    let fetching = models.fetching.as_ref();
    let fetching = fetching.filter(|fetching| fetching.end.is_none())?;
    let cancel = (models.leave == Leave::Granted).then(|| cancel(t, fetching.id));
    let view = view! {
        <section id="fetching" class="notice" aria-label=t.being_fetched() data-events=FETCH_EVENTS data-page=MODELS>
            <div class="so-far">{so_far(t, fetching)}</div>
            {cancel}
        </section>
    };
    Some(view.into_any())
}

fn cancel(t: Language, id: u64) -> AnyView {
    view! {
        <form method="post" action=CANCEL_FETCH>
            <button name="fetch" value=id.to_string()>{t.cancel()}</button>
        </form>
    }
    .into_any()
}

/// What a script puts in the place of what it says of a fetch that goes on.
#[must_use]
pub fn fetching_html(t: Language, fetching: &Fetching) -> String {
    Owner::new().with(|| so_far(t, fetching).to_html())
}

fn so_far(t: Language, fetching: &Fetching) -> AnyView {
    let (name, done, total) = (&fetching.name, fetching.bytes, fetching.total);
    let total = total.filter(|total| *total > 0);
    let label = t.fetches(name);
    let bar = match total {
        Some(total) => view! {
            <progress aria-label=label.clone() value=done.min(total).to_string() max=total.to_string()></progress>
        }
        .into_any(),
        None => view! { <progress aria-label=label.clone()></progress> }.into_any(),
    };
    let mut figures = Vec::new();
    if let Some(total) = total {
        figures.push(t.bytes_of(bytes(done), bytes(total)));
    } else if done > 0 {
        figures.push(bytes(done));
    }
    if let Some(rate) = fetching.bytes_per_second {
        figures.push(rate_of_bytes(t, rate));
        figures.extend(left(t, total, done, rate));
    }
    let what = fetching.what.as_ref();
    figures.extend(what.map(|what| what.told(t).to_owned()));
    view! {
        <p>{label}</p>
        {bar}
        <p class="note">{figures.join(" · ")}</p>
    }
    .into_any()
}

/// How long it still takes at this speed.
fn left(t: Language, total: Option<u64>, done: u64, rate: f64) -> Option<String> {
    let missing = total?.saturating_sub(done);
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let seconds = missing as f64 / rate;
    let is_told = missing > 0 && seconds.is_finite();
    is_told.then(|| t.time_left(duration(t, seconds.max(1.0))))
}

/// What came of the last one.
pub(super) fn ended(t: Language, models: &Models) -> Option<AnyView> {
    let fetching = models.fetching.as_ref()?;
    let name = &fetching.name;
    let (words, chat) = match fetching.end.as_ref()? {
        FetchEnd::Served(id) => (t.was_fetched(name), begin(t, id, name)),
        FetchEnd::Unserved(why) => return Some(failed(t.was_not_served(name, why))),
        FetchEnd::Failed(why) => return Some(failed(t.was_not_fetched(name, why))),
        FetchEnd::Cancelled => (t.fetch_was_cancelled(name), None),
    };
    Some(view! { <p class="notice" role="status">{words}" "{chat}</p> }.into_any())
}
