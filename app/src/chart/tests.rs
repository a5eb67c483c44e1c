use super::*;

fn chart(kind: Kind) -> Chart {
    Chart {
        kind,
        title: "Speed <1>".to_owned(),
        over: "day",
        labels: ["one", "two", "three"].map(str::to_owned).into(),
        series: vec![
            Series {
                name: "median",
                values: vec![Some(10.0), None, Some(40.0)],
            },
            Series {
                name: "slow",
                values: vec![Some(5.0), Some(5.0), None],
            },
        ],
        written: |_, value| format!("{value} u"),
        aim: None,
    }
}

fn html(chart: &Chart) -> String {
    let html = Owner::new().with(|| figure(Language::English, chart).to_html());
    // Marks of where a list ends.
    html.replace("<!>", "")
}

#[test]
fn edges_are_round_and_no_less_than_the_values() {
    let rounded = [0.0, 0.7, 1.0, 3.1, 41.0, 99.0, 1234.0, 1e-7].map(round_above);
    for (found, expected) in rounded
        .into_iter()
        .zip([1.0, 1.0, 1.0, 4.0, 50.0, 100.0, 2000.0, 1e-7])
    {
        assert!((found / expected - 1.0).abs() < 1e-9, "{rounded:?}");
    }
}

#[test]
fn a_value_lies_where_its_share_of_the_edge_is() {
    let scale = Scale {
        labels: 3,
        top: 40.0,
    };
    assert_eq!((scale.y(0.0), scale.y(40.0)), (BOTTOM, TOP));
    assert_eq!(scale.y(10.0), BOTTOM - (BOTTOM - TOP) / 4.0);
    assert_eq!(scale.x(1), f64::midpoint(LEFT, RIGHT));
}

#[test]
fn lines_pass_over_what_is_missing_and_the_table_has_every_number() {
    let html = html(&chart(Kind::Lines));
    let expected = format!("M107.0,{:.1}L303.0,{TOP:.1}", 123.0);
    assert!(html.contains(&expected), "{html}");
    assert!(html.contains("Speed &lt;1&gt;"), "{html}");
    for part in [
        "<th scope=\"row\">three</th><td>40 u</td><td></td>",
        "<th scope=\"row\">two</th><td></td><td>5 u</td>",
        "role=\"img\"",
    ] {
        assert!(html.contains(part), "no {part} in {html}");
    }
}

#[test]
fn bars_stand_on_the_ground() {
    let html = html(&chart(Kind::Bars));
    assert_eq!(html.matches("class=\"bar\"").count(), 2, "{html}");
    assert!(
        html.contains("y=\"12.0\" width=\"68.6\" height=\"148.0\""),
        "{html}"
    );
}

#[test]
fn lying_bars_have_their_names_and_values() {
    let html = html(&chart(Kind::Rows));
    assert!(html.contains("viewBox=\"0 0 360 114\""), "{html}");
    let widths = ["width=\"69.0\"", "width=\"276.0\""];
    assert!(widths.iter().all(|width| html.contains(width)), "{html}");
    assert_eq!(html.matches("class=\"value\"").count(), 2, "{html}");
}

#[test]
fn nothing_is_drawn_of_nothing() {
    let mut chart = chart(Kind::Lines);
    for series in &mut chart.series {
        series.values.clear();
    }
    let html = html(&chart);
    assert!(
        !html.contains("<svg") && html.contains("Nothing measured"),
        "{html}"
    );
}

#[test]
fn a_long_name_of_a_row_has_as_many_lines_as_it_needs() {
    let mut chart = chart(Kind::Rows);
    let height = rows::height(&chart);
    chart.labels[0] =
        "llama-3.2-1b-instruct-q4_k_m · avx512_vnni · 2 threads · as served, head in four bits"
            .to_owned();
    assert!(rows::height(&chart) > height);
    let html = html(&chart);
    for line in [
        ">llama-3.2-1b-instruct-q4_k_m · avx512_vnni · 2 threads",
        ">three<",
    ] {
        assert!(html.contains(line), "no {line} in {html}");
    }
    assert!(!html.contains("avx512_vnni · 2 threads · as served, head in four bits</text>"));
}

#[test]
fn an_aim_is_a_line_of_its_own_within_the_picture() {
    let mut chart = chart(Kind::Lines);
    assert!(!html(&chart).contains("class=\"aim\""));
    chart.aim = Some(80.0);
    let html = html(&chart);
    // The highest value is 40, and the edge is above the aim.
    let y = at(BOTTOM - 0.8 * (BOTTOM - TOP));
    let line = format!("y1=\"{y}\" x2=\"352.0\" y2=\"{y}\" class=\"aim\"");
    assert!(html.contains(&line), "no {line} in {html}");
    assert!(html.contains("aim: 80 u"), "{html}");
}
