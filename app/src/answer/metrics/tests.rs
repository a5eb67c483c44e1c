use super::*;

fn html(metrics: Metrics) -> String {
    Owner::new().with(|| view! { <Metrics t=Language::English metrics=metrics/> }.to_html())
}

#[test]
fn what_was_not_measured_is_absent() {
    let html = html(Metrics {
        total_s: 0.5,
        output_tokens: 1,
        ..Metrics::default()
    });
    for absent in [
        "Time to first token",
        "Decode speed",
        "Cost per",
        "Prefill",
        "Queued",
    ] {
        assert!(!html.contains(absent), "{absent} in {html}");
    }
    assert!(
        html.contains("<dd>500<span class=\"unit\"> ms</span></dd>"),
        "{html}"
    );
}

/// A long prompt before a short answer.
fn slow() -> Metrics {
    Metrics {
        time_to_first_token_s: Some(51.3),
        decode_tokens_per_second: Some(25.0),
        time_per_output_token_ms: Some(40.0),
        total_s: 53.7,
        usd_per_million_tokens: Some(10.47),
        usd_total: 0.0141,
        output_tokens: 60,
        ..Metrics::default()
    }
}

#[test]
fn the_line_names_its_five_figures_for_whoever_hears_them() {
    let html = html(slow());
    let line = &html[..html.find("<details").unwrap()];
    for (term, shown) in [
        ("Decode speed", "<b>25.0</b> tokens/s"),
        ("Beside a fast reader", "<b>2.5×</b> reading"),
        ("Time to first token", "<b>51.3</b> s"),
        ("Total time", "<b>53.7</b> s"),
        ("Total cost", "<b>$0.0141</b>"),
        ("Cost per million tokens", "<b>$235.00</b> /M"),
    ] {
        let term = format!("<dt class=\"unseen\">{term}</dt>");
        let (_, entry) = line.split_once(&term).unwrap();
        let entry = entry.split("</div>").next().unwrap();
        assert!(entry.contains(shown), "{shown} in {entry}");
    }
}

#[test]
fn each_figure_of_the_line_leads_to_where_it_lies_among_others() {
    let page = Some("/speed/5".to_owned());
    let view = || view! { <Metrics t=Language::English metrics=slow() speed=page/> };
    let html = Owner::new().with(|| view().to_html());
    let line = &html[..html.find("<details").unwrap()];
    for (term, place) in [
        ("Decode speed", "decode"),
        ("Beside a fast reader", "decode"),
        ("Time to first token", "first"),
        ("Total time", "total"),
        ("Total cost", "cost"),
        ("Cost per million tokens", "cost"),
    ] {
        let entry = format!("<dt class=\"unseen\">{term}</dt><dd><a href=\"/speed/5#{place}\">");
        assert!(line.contains(&entry), "no {entry} in {line}");
    }
    // Who may not see that page is led nowhere.
    let others = self::html(slow());
    assert!(!others.contains("<a "), "{others}");
}

#[test]
fn the_whole_time_counts_and_a_late_first_token_misses_its_bar() {
    let html = html(slow());
    for part in [
        "<dt>Cost per million tokens</dt><dd>$235.00<",
        "<dt>Decoding alone, per million tokens</dt><dd>$10.47<",
        "<dt>First token</dt><dd>✗ misses the 1 s bar<",
        "<dt>Time per token</dt><dd>40.0 ms, ✓ meets the 100 ms bar<",
        "<dt>Beside a fast reader</dt><dd>2.5×, who reads 10 tokens/s<",
        "<dt>Price</dt><dd>$0.94525 an hour, your own<",
    ] {
        assert!(html.contains(part), "no {part} in {html}");
    }
}

#[test]
fn the_model_is_named_where_it_is_known() {
    assert!(!html(slow()).contains("<dt>Model</dt>"));
    let view =
        || view! { <Metrics t=Language::English metrics=slow() model="Tiny 1B".to_owned()/> };
    let html = Owner::new().with(|| view().to_html());
    assert!(html.contains("<dt>Model</dt><dd>Tiny 1B</dd>"), "{html}");
}

#[test]
fn guesses_are_told_where_some_were_made() {
    assert!(!html(slow()).contains("Guessed ahead"));
    let html = html(Metrics {
        drafted_tokens: 1200,
        accepted_tokens: 900,
        ..slow()
    });
    let guessed = "<dt>Guessed ahead</dt><dd>900 of 1,200 tokens right<";
    assert!(html.contains(guessed), "{html}");
}

#[test]
fn few_tokens_make_no_speed() {
    let html = html(Metrics {
        prefill_tokens_per_second: Some(281_540.0),
        prompt_tokens: 300,
        cached_tokens: 299,
        output_tokens: 10,
        ..slow()
    });
    for absent in [
        "tokens/s",
        "Prefill speed",
        "per million",
        "/M",
        "Time per token",
    ] {
        assert!(!html.contains(absent), "{absent} in {html}");
    }
}

#[test]
fn a_bar_is_met_or_missed_in_words() {
    assert_eq!(
        against_bar(Language::English, 100.0),
        "100 ms, ✓ meets the 100 ms bar"
    );
    assert_eq!(
        against_bar(Language::English, 101.0),
        "101 ms, ✗ misses the 100 ms bar"
    );
}

#[test]
fn an_answer_in_company_shows_its_share_and_what_it_would_have_cost_alone() {
    let mut metrics = Metrics {
        usd_share: 0.000_02,
        usd_alone: Some(0.000_05),
        beside: 0.04,
        ..Metrics::default()
    };
    assert_eq!(others(Language::English, metrics.beside), None);
    assert_eq!(
        share(Language::English, &metrics),
        "$0.0000200, nothing beside it"
    );
    metrics.beside = 2.34;
    assert_eq!(
        others(Language::English, metrics.beside).as_deref(),
        Some("2.3 others on average")
    );
    assert_eq!(
        share(Language::English, &metrics),
        "$0.0000200, alone about $0.0000500"
    );
    metrics.usd_alone = None;
    assert_eq!(share(Language::English, &metrics), "$0.0000200");
}

#[test]
fn cached_tokens_are_told_apart() {
    let mut metrics = Metrics {
        prompt_tokens: 40,
        ..Metrics::default()
    };
    assert_eq!(prompt_tokens(Language::English, &metrics), "40");
    metrics.cached_tokens = 30;
    assert_eq!(
        prompt_tokens(Language::English, &metrics),
        "40, 30 of them cached"
    );
}
