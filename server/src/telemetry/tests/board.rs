//! The Grafana board of `deploy/` asks for figures that `/metrics` tells.

use std::collections::BTreeSet;

use serde_json::Value;

use super::browser;

const BOARD: &str = include_str!("../../../../deploy/grafana/board.json");

/// Words with an underscore in queries that name no figure.
const OTHER_WORDS: &[&str] = &["__rate_interval", "histogram_quantile"];

/// The figures that the board's queries name.
fn asked() -> BTreeSet<String> {
    let board: Value = serde_json::from_str(BOARD).unwrap();
    let panels = board["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut names = BTreeSet::new();
    for target in targets {
        let query = target["expr"].as_str().unwrap();
        let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c)));
        let figures = words.filter(|word| word.contains('_') && !OTHER_WORDS.contains(word));
        names.extend(figures.map(str::to_owned));
    }
    names
}

#[tokio::test]
async fn every_figure_of_the_board_is_told() {
    let text = browser().get("/metrics").await.body;
    let told: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let asked = asked();
    let missing: Vec<_> = asked
        .iter()
        .filter(|name| !told.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?} are not in {text}");
}

#[test]
fn the_board_shows_the_batch_the_cache_and_waiting() {
    let asked = asked();
    for name in [
        "nibble_answers_running",
        "nibble_answers_waiting",
        "nibble_answers_paused",
        "nibble_queue_seconds_bucket",
        "nibble_kv_usage_ratio",
        "nibble_prefix_hits_total",
        "nibble_prefix_queries_total",
        "nibble_preemptions_total",
        "nibble_inter_token_seconds_bucket",
    ] {
        assert!(asked.contains(name), "`{name}` is not on the board");
    }
}
