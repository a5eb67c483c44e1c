//! `/compare/{comparison}`: what its lanes came to, or come to while they are measured.

use leptos::prelude::*;

use self::elsewhere::elsewhere;
use super::NotFound;
use super::speed::unread;
use crate::answer::usd_per_million;
use crate::button::post_button;
use crate::chart::{Chart, Kind, Series, figure};
use crate::chat::{ComparisonOf, Loaded, SharedChat};
use crate::compare::{CompareForm, agreements, beside, decoding_usd_per_million, lane_name};
use crate::day::date;
use crate::domain::{Comparison, ComparisonEnd, Measurement};
use crate::figures::{bytes, duration, tokens_per_second, usd};
use crate::language::Language;
use crate::paths::{COMPARE, DELETE_COMPARISON, STOP_COMPARISON};
use crate::shell::Aside;
use crate::visitor::{language, visitor};
use crate::wide_table::wide_table;

mod elsewhere;
mod running;

/// The longest that lanes may be measured, in minutes.
pub const COMPARED_FOR_MINUTES: u64 = 10;

/// The longest that a comparison may wait for chats and fetches, in minutes.
pub const COMPARISON_WAITS_MINUTES: u64 = 60;

#[component]
pub(crate) fn ComparisonPage() -> impl IntoView {
    let loaded = use_context::<Loaded>().unwrap_or_default();
    let t = language();
    if let Some(trouble) = loaded.trouble {
        return unread(t, t.comparison(), &trouble);
    }
    let Some(of) = loaded.comparison else {
        return view! { <NotFound/> }.into_any();
    };
    let chat = use_context::<SharedChat>().expect("no chat is provided");
    let about = about(t, &of.comparison);
    let reader = Reader {
        t,
        own: of.own,
        signed_in: visitor().signed_in,
        asked: loaded.asked,
    };
    let shown = match of.is_running {
        true => being_measured(reader, chat, of),
        false => reader.report(&of.comparison),
    };
    view! {
        <Aside title=t.comparison() section=t.compare() wide=true>
            <h1>{t.comparison()}</h1>
            {about}
            {shown}
        </Aside>
    }
    .into_any()
}

/// What was asked, of which models.
fn about(t: Language, comparison: &Comparison) -> AnyView {
    let plan = &comparison.plan;
    let where_and_when = [
        Some(comparison.model.clone()),
        comparison.cpu.clone(),
        Some(t.compared_at(date(t, comparison.created))),
    ];
    let how = [
        t.tokens_counted(plan.max_tokens),
        match plan.rounds {
            1 => t.of_one_round().to_owned(),
            rounds => medians(t, comparison, rounds),
        },
        match plan.seed {
            None => t.greedy().to_owned(),
            Some(seed) => t.seeded(seed),
        },
    ];
    let where_and_when: Vec<_> = where_and_when.into_iter().flatten().collect();
    view! {
        <p class="asked" dir="auto">{plan.prompt.clone()}</p>
        <p class="note">{where_and_when.join(" · ")} <br/> {how.join(" · ")}</p>
    }
    .into_any()
}

/// Of how many rounds the figures are medians: of fewer than were wanted where it ended before.
fn medians(t: Language, comparison: &Comparison, wanted: usize) -> String {
    if comparison.end.is_none() {
        return t.medians_of(wanted);
    }
    match comparison.rounds() {
        None => t.no_round_of(wanted),
        Some([least, _]) if least >= wanted => t.medians_of(wanted),
        Some([least, most]) if least == most => t.medians_of_fewer(least, wanted),
        Some([least, most]) => t.medians_of_some(least, most, wanted),
    }
}

/// The lanes as they are measured; at the end all of it gives way to the report.
fn being_measured(reader: Reader, chat: SharedChat, of: ComparisonOf) -> AnyView {
    let id = of.comparison.id;
    let stop = of.own.then(|| {
        post_button(
            STOP_COMPARISON,
            "comparison",
            id.to_string(),
            reader.t.stop_comparison(),
        )
    });
    let steps = running::streamed(reader, chat, of);
    view! { <div class="measuring">{stop} {steps}</div> }.into_any()
}

/// Whoever reads the page.
#[derive(Clone)]
struct Reader {
    t: Language,
    own: bool,
    /// By a password, without which nobody reads it.
    signed_in: bool,
    /// The query of the address, which may have prices.
    asked: String,
}

impl Reader {
    fn report(&self, comparison: &Comparison) -> AnyView {
        let t = self.t;
        let measured: Vec<_> = comparison.measured().collect();
        view! {
            {ended(t, comparison)}
            {in_words(t, comparison, &measured)}
            <div class="charts">{charts(t, comparison, &measured).iter().map(|chart| figure(t, chart)).collect_view()}</div>
            {table(t, comparison, &measured)}
            {troubles(t, comparison)}
            {comparison.fastest().map(|lane| elsewhere(t, comparison, lane, &self.asked))}
            {texts(t, comparison, &measured)}
            {self.ways(comparison)}
        }
        .into_any()
    }

    fn ways(&self, comparison: &Comparison) -> AnyView {
        let (t, id) = (self.t, comparison.id);
        let readers = match self.signed_in {
            true => t.share_comparison_by_password(),
            false => t.share_comparison(),
        };
        let again = format!("{COMPARE}?{}", CompareForm::again(&comparison.plan).query());
        let files = [("JSON", "json"), ("CSV", "csv"), ("SVG", "svg")];
        let files = files.map(|(name, ending)| {
            let file = format!("{COMPARE}/{id}/export.{ending}");
            view! { <a class="button" href=file>{name}</a> }
        });
        let delete = self.own.then(|| {
            post_button(
                DELETE_COMPARISON,
                "comparison",
                id.to_string(),
                t.delete_comparison(),
            )
        });
        view! {
            <p class="note">{readers}</p>
            <div class="ways">
                <a class="button" href=again>{t.compare_again()}</a>
                <a class="button" href=COMPARE>{t.all_comparisons()}</a>
                {files.collect_view()}
                {delete}
            </div>
        }
        .into_any()
    }
}

/// Why there is not all of it.
fn ended(t: Language, comparison: &Comparison) -> Option<AnyView> {
    let words = match comparison.end {
        Some(ComparisonEnd::Complete) => return None,
        Some(ComparisonEnd::Stopped) => t.comparison_stopped().to_owned(),
        Some(ComparisonEnd::TooLong) => t.comparison_too_long(COMPARED_FOR_MINUTES),
        Some(ComparisonEnd::NoTime) => t.comparison_no_time(COMPARISON_WAITS_MINUTES),
        Some(ComparisonEnd::CutOff) => t.comparison_cut_off().to_owned(),
        None => t.comparison_elsewhere().to_owned(),
    };
    Some(view! { <p class="outcome">{words}</p> }.into_any())
}

fn in_words(t: Language, comparison: &Comparison, measured: &[&Measurement]) -> Option<AnyView> {
    let (first, others) = measured.split_first()?;
    let plan = &comparison.plan;
    let sentences = others
        .iter()
        .map(|lane| beside(t, plan, lane, first).join(" "));
    let sentences = sentences.filter(|said| !said.is_empty());
    let sentences: Vec<_> = sentences.chain(agreements(t, comparison)).collect();
    if sentences.is_empty() {
        return None;
    }
    let sentences = sentences.into_iter();
    let sentences = sentences.map(|said| view! { <li>{said}</li> });
    Some(
        view! {
            <h2>{t.in_words()}</h2>
            <ul class="verdict">{sentences.collect_view()}</ul>
            <p class="note">{t.kernels_give_bits()}</p>
        }
        .into_any(),
    )
}

fn charts(t: Language, comparison: &Comparison, measured: &[&Measurement]) -> Vec<Chart> {
    let bars = |name, values: Vec<Option<f64>>, written| Chart {
        kind: Kind::Rows,
        title: str::to_owned(name),
        over: t.lanes(),
        labels: measured
            .iter()
            .map(|lane| lane_name(t, &comparison.plan, &lane.lane))
            .collect(),
        series: vec![Series { name, values }],
        written,
        aim: None,
    };
    let decode = measured.iter().map(|lane| lane.decode()).collect();
    let first = measured.iter().map(|lane| lane.first_token_s()).collect();
    vec![
        bars(t.decode_speed(), decode, tokens_per_second),
        bars(t.ttft(), first, duration),
    ]
}

fn table(t: Language, comparison: &Comparison, measured: &[&Measurement]) -> AnyView {
    let price = comparison.plan.usd_per_hour;
    let rows = measured.iter().map(|lane| {
        let rate = |speed: Option<f64>| speed.map(|speed| tokens_per_second(t, speed));
        let decoding = lane.decode();
        let decoding = decoding.map(|speed| usd(decoding_usd_per_million(price, speed)));
        view! {
            <tr>
                <th scope="row">{lane_name(t, &comparison.plan, &lane.lane)}</th>
                <td>{lane.first_token_s().map(|time| duration(t, time))}</td>
                <td>{rate(lane.prefill())}</td>
                <td>{rate(lane.decode())}</td>
                <td>{lane.median(usd_per_million).map(usd)}</td>
                <td>{decoding}</td>
                <td>{lane.usd().map(usd)}</td>
                <td>{format!("{} · {}", lane.quantization, bytes(lane.weight_bytes))}</td>
            </tr>
        }
    });
    wide_table(
        t.comparison(),
        [
            t.lanes(),
            t.ttft(),
            t.prefill_speed(),
            t.decode_speed(),
            t.usd_per_million(),
            t.decoding_alone(),
            t.usd_an_answer(),
            t.held_as(),
        ],
        rows,
    )
}

/// Lanes that could not be measured, or had no time for it, and rounds that had to be measured again.
fn troubles(t: Language, comparison: &Comparison) -> AnyView {
    let lanes = comparison.lanes.iter().filter_map(|lane| {
        let name = lane_name(t, &comparison.plan, &lane.lane);
        if let Some(why) = &lane.trouble {
            let words = format!("{name}{}{}", t.colon(), t.lane_failed(why));
            return Some(view! { <p class="outcome failed">{words}</p> }.into_any());
        }
        let again = (lane.given_up > 0).then(|| t.rounds_given_up(lane.given_up));
        let words = again.map(|again| format!("{name}{}{again}", t.colon()));
        words.map(|words| view! { <p class="note">{words}</p> }.into_any())
    });
    let unmeasured = comparison.unmeasured();
    let unmeasured = unmeasured.filter(|_| comparison.end.is_some()).map(|lane| {
        let name = lane_name(t, &comparison.plan, lane);
        let words = format!("{name}{}{}", t.colon(), t.lane_unmeasured());
        view! { <p class="outcome">{words}</p> }.into_any()
    });
    lanes.chain(unmeasured).collect::<Vec<_>>().into_any()
}

fn texts(t: Language, comparison: &Comparison, measured: &[&Measurement]) -> AnyView {
    let texts = measured.iter().map(|lane| {
        view! {
            <h3>{lane_name(t, &comparison.plan, &lane.lane)}</h3>
            <p class="written" dir="auto">{lane.text.clone()}</p>
        }
    });
    view! {
        <details class="texts">
            <summary>{t.texts_of_lanes()}</summary>
            {texts.collect_view()}
        </details>
    }
    .into_any()
}
