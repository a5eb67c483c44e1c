use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use nibble_app::domain::{Lane, Weights};
use nibble_engine::Error;

use crate::generator::Generator;
use crate::lanes::{LanePlan, Lanes};
use crate::models::{Models, Offer};
use crate::permitted::Permitted;
use crate::state::AppState;
use crate::test_support::browser::{Browser, message, settings, store};
use crate::test_support::client::state;
use crate::test_support::scripted::{Scripted, offer};

mod beside;
mod leave;

const PIECES: [&str; 20] = ["word "; 20];

/// Lanes that say words, each after a pause; one of a kernel that is called `broken` does not fit.
struct Words(Duration);

impl Lanes for Words {
    fn kernels(&self) -> Vec<String> {
        ["scalar", "broken", "avx2"].map(str::to_owned).into()
    }

    fn weights(&self) -> Vec<Weights> {
        Weights::ALL.into()
    }

    fn plan(&self, lane: &Lane, model: &Offer) -> Result<LanePlan, Error> {
        let is_broken = lane.kernel == "broken";
        let words = Scripted::new(&PIECES, self.0).named(&model.info.name);
        Ok(LanePlan {
            bytes: model.bytes,
            context: 2048,
            load: Box::new(move |progress| {
                progress(1, 2);
                match is_broken {
                    true => Err(Error::Memory {
                        needed: 900,
                        context: 2048,
                        with_draft: false,
                        available: 100,
                    }),
                    false => Ok(Arc::new(words) as Arc<dyn Generator>),
                }
            }),
        })
    }
}

fn browser(pause: Duration) -> Browser {
    let chats = Scripted::new(&["hi"], Duration::from_millis(50));
    Browser::comparing(Arc::new(chats), Arc::new(Words(pause)))
}

/// A server of two models.
fn two_models(pause: Duration) -> AppState {
    let offers = ["One", "Two"].map(|name| offer(name, None));
    let models = Models::new(offers.into(), Box::new(|| None), None, None);
    state(models).comparing(Arc::new(Words(pause)), Permitted::Anyone)
}

fn beside_another() -> Browser {
    Browser::at_server(two_models(Duration::ZERO))
}

fn lanes(kernels: [&str; 2]) -> Vec<(&str, &str)> {
    vec![
        ("prompt", "Why?"),
        ("max_tokens", "20"),
        ("rounds", "3"),
        ("kernel_1", kernels[0]),
        ("threads_1", "2"),
        ("weights_1", "served"),
        ("kernel_2", kernels[1]),
        ("threads_2", "1"),
        ("weights_2", "float"),
    ]
}

async fn begun(browser: &Browser, kernels: [&str; 2]) -> String {
    let reply = browser.post_form("/compare", &lanes(kernels)).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
    reply.location().to_owned()
}

fn name(path: &str) -> [(&str, &str); 1] {
    [("comparison", path.trim_start_matches("/compare/"))]
}

#[tokio::test]
async fn lanes_stream_one_after_the_other_and_end_in_a_report_that_is_kept() {
    let browser = browser(Duration::from_millis(2));
    let path = begun(&browser, ["scalar", "avx2"]).await;
    let page = browser.chunks(&path).await.concat();
    let at = |part: &str| {
        page.find(part)
            .unwrap_or_else(|| panic!("no {part} in {page}"))
    };
    let first = at("<h2>scalar · 2 threads</h2>");
    let second = at("<h2>avx2 · 1 thread · floats</h2>");
    let report = at("class=\"final\"");
    assert!(first < second && second < report);
    at("All lanes gave the same 20 tokens.");
    let later = browser.get(&path).await.body;
    assert!(!later.contains("class=\"final\"") && later.contains("avx2 · 1 thread · floats"));
    let list = browser.get("/compare").await.body;
    assert!(list.contains(&format!("href=\"{path}\"")), "{list}");
    let json = browser.get(&format!("{path}/export.json")).await.json();
    assert_eq!(json["lanes"][1]["rounds"].as_array().unwrap().len(), 3);
    assert_eq!(json["end"], "complete");
    let csv = browser.get(&format!("{path}/export.csv")).await.body;
    assert_eq!(csv.lines().count(), 7);
    let svg = browser.get(&format!("{path}/export.svg")).await;
    assert!(svg.body.starts_with("<svg "), "{}", svg.body);
}

#[tokio::test]
async fn who_has_the_address_reads_it_and_only_its_owner_deletes_it() {
    let browser = browser(Duration::ZERO);
    let path = begun(&browser, ["scalar", "avx2"]).await;
    browser.chunks(&path).await;
    let other = browser.other();
    let page = other.get(&path).await.body;
    assert!(page.contains("scalar · 2 threads") && !page.contains("/compare/delete"));
    assert!(!other.get("/compare").await.body.contains(&path));
    let refused = other.post_form("/compare/delete", &name(&path)).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let deleted = browser.post_form("/compare/delete", &name(&path)).await;
    assert_eq!(deleted.location(), "/compare");
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
    let gone = browser.get(&format!("{path}/export.csv")).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_shared_comparison_shows_nothing_of_a_chat_that_was_asked_before() {
    let chats = Scripted::new(&["cinnamon"], Duration::ZERO);
    let browser = Browser::comparing(Arc::new(chats), Arc::new(Words(Duration::ZERO)));
    let form = message("", "my recipe?");
    let asked = browser.post_form("/api/send", &form).await;
    let chat = asked.location().to_owned();
    let own = browser.get(&chat).await.body;
    assert!(
        own.contains("my recipe?") && own.contains("cinnamon"),
        "{own}"
    );
    let path = begun(&browser, ["scalar", "avx2"]).await;
    browser.chunks(&path).await;
    let other = browser.other();
    let conversation = chat.trim_start_matches("/c/");
    for part in ["", "/export.json", "/export.csv", "/export.svg"] {
        let shown = other.get(&format!("{path}{part}")).await;
        assert_eq!(shown.status, StatusCode::OK, "{part}");
        assert!(shown.body.contains("scalar"), "{part}: {}", shown.body);
        for told in ["recipe", "cinnamon", conversation] {
            assert!(!shown.body.contains(told), "{told} in {}", shown.body);
        }
    }
    assert_eq!(other.get(&chat).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn there_is_one_at_a_time_and_its_owner_ends_it() {
    let browser = browser(Duration::from_secs(5));
    let path = begun(&browser, ["scalar", "avx2"]).await;
    let other = browser.other();
    let refused = other
        .post_form("/compare", &lanes(["scalar", "avx2"]))
        .await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.body.contains("one at a time"), "{}", refused.body);
    assert!(
        refused.body.contains(">Why?</textarea>"),
        "{}",
        refused.body
    );
    other.post_form("/compare/stop", &name(&path)).await;
    assert!(other.get("/compare").await.body.contains("Somebody else’s"));
    let stopped = browser.post_form("/compare/stop", &name(&path)).await;
    assert_eq!(stopped.location(), path);
    let page = browser.chunks(&path).await.concat();
    assert!(page.contains("It was stopped"), "{page}");
    begun(&other, ["scalar", "avx2"]).await;
}

#[tokio::test]
async fn a_comparison_that_is_stopped_says_of_how_many_rounds_it_is_and_which_lanes_are_missing() {
    // A round of 1.2 s.
    let browser = browser(Duration::from_millis(60));
    let path = begun(&browser, ["scalar", "avx2"]).await;
    let rounds = async || {
        let json = browser.get(&format!("{path}/export.json")).await.json();
        let rounds = json["lanes"][0]["rounds"].as_array();
        rounds.map_or(0, Vec::len)
    };
    while rounds().await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    browser.post_form("/compare/stop", &name(&path)).await;
    browser.chunks(&path).await;
    let page = browser.get(&path).await.body;
    let measured = rounds().await;
    let told = format!("medians of {measured} of 3 rounds");
    assert!(page.contains(&told), "no {told} in {page}");
    let missing = "avx2 · 1 thread · floats: The comparison ended before a round of this lane";
    assert!(page.contains(missing), "{page}");
}

#[tokio::test]
async fn a_comparison_is_written_down_when_the_database_is_well_again() {
    let store = store();
    let twin = store.twin();
    let chats = Models::only(Arc::new(Scripted::new(&["hi"], Duration::ZERO)));
    let state = AppState::of(chats, settings(), store, None);
    let browser =
        Browser::at_server(state.comparing(Arc::new(Words(Duration::ZERO)), Permitted::Anyone));
    twin.execute(
        "CREATE TRIGGER full BEFORE UPDATE ON comparisons BEGIN SELECT RAISE(ABORT, 'full'); END",
    )
    .await;
    let path = begun(&browser, ["scalar", "avx2"]).await;
    let json = async || browser.get(&format!("{path}/export.json")).await.json();
    while json().await["end"] != "complete" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    twin.execute("DROP TRIGGER full").await;
    browser.chunks(&path).await;
    let page = browser.get(&path).await.body;
    assert!(
        page.contains("All lanes gave the same 20 tokens."),
        "{page}"
    );
    assert!(!page.contains("It was not completed"), "{page}");
}

#[tokio::test]
async fn a_lane_that_does_not_fit_says_so_with_numbers_and_the_others_are_measured() {
    let browser = browser(Duration::ZERO);
    let path = begun(&browser, ["broken", "avx2"]).await;
    let page = browser.chunks(&path).await.concat();
    assert!(page.contains("This lane could not be measured: "), "{page}");
    assert!(page.contains("900") && page.contains("100"), "{page}");
    let json = browser.get(&format!("{path}/export.json")).await.json();
    assert_eq!(json["lanes"][1]["rounds"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_chat_goes_first_and_its_round_is_measured_again() {
    // A round of 0.6 s, before which a lane warms up.
    let browser = browser(Duration::from_millis(30));
    let path = begun(&browser, ["scalar", "avx2"]).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let asked = browser.post_form("/api/send", &message("", "what?")).await;
    assert_eq!(asked.status, StatusCode::FOUND);
    let chat = browser.get(asked.location()).await.body;
    assert!(chat.contains("<p dir=\"auto\">hi</p>"), "{chat}");
    let page = browser.chunks(&path).await.concat();
    assert!(page.contains("given up for a chat"), "{page}");
    let json = browser.get(&format!("{path}/export.json")).await.json();
    for lane in json["lanes"].as_array().unwrap() {
        assert_eq!(lane["rounds"].as_array().unwrap().len(), 3);
        assert_eq!(lane["tokens"].as_array().unwrap().len(), 20);
    }
}

#[tokio::test]
async fn a_preset_begins_by_one_button() {
    let browser = browser(Duration::from_millis(15));
    let page = browser.get("/compare").await.body;
    let button = "<button name=\"preset\" value=\"kernels\">Before and after the kernels</button>";
    assert!(page.contains(button), "{page}");
    let preset = [("preset", "kernels")];
    let begun = browser.post_form("/compare", &preset).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
    // What cannot begin beside it comes back filled in.
    let refused = browser.post_form("/compare", &preset).await;
    assert!(refused.body.contains("role=\"alert\""), "{}", refused.body);
    assert!(refused.body.contains("value=\"64\""), "{}", refused.body);
    let page = browser.chunks(begun.location()).await.concat();
    for lane in ["scalar · 2 threads", "avx2 · 2 threads"] {
        assert!(page.contains(lane), "no {lane} in {page}");
    }
}

#[tokio::test]
async fn the_machine_is_not_measured_beside_a_comparison() {
    let browser = browser(Duration::from_millis(30));
    let path = begun(&browser, ["scalar", "avx2"]).await;
    let refused = browser.post_form("/about/measure", &[]).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let told =
        "<p role=\"alert\" class=\"outcome failed\">Answers or a comparison are being computed";
    assert!(refused.body.contains(told), "{}", refused.body);
    assert!(refused.body.contains("<h2 id=\"roofline\">"));
    browser.post_form("/compare/stop", &name(&path)).await;
}

#[tokio::test]
async fn lanes_of_two_models_are_told_by_their_names_wherever_they_stand() {
    // Long enough for the page to follow them.
    let browser = Browser::at_server(two_models(Duration::from_millis(5)));
    let form = browser.get("/compare?preset=weights").await.body;
    for place in 1..=4 {
        let select = format!("<select id=\"model_{place}\" name=\"model_{place}\"");
        assert!(form.contains(&select), "{form}");
    }
    assert!(
        form.contains("<option value=\"two\">Two</option>"),
        "{form}"
    );
    let mut fields = lanes(["avx2", "broken"]);
    fields.extend([
        ("kernel_3", "avx2"),
        ("threads_3", "2"),
        ("weights_3", "served"),
    ]);
    fields.extend([("model_2", "two"), ("model_3", "two")]);
    let begun = browser.post_form("/compare", &fields).await;
    let path = begun.location().to_owned();
    let page = browser.chunks(&path).await.concat();
    for part in [
        "<h2>one · avx2 · 2 threads</h2>",
        "<h2>two · avx2 · 2 threads</h2>",
        "<th scope=\"row\">two · avx2 · 2 threads</th>",
        "two · avx2 · 2 threads writes about as fast as one · avx2 · 2 threads.",
        "is of another model than one · avx2 · 2 threads: their tokens are not compared.",
        "This lane could not be measured: too little memory",
        "model_2=two",
        "One, Two",
    ] {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert!(!page.contains("gave the same"), "{page}");
    let file = async |ending: &str| browser.get(&format!("{path}/export.{ending}")).await;
    let json = file("json").await.json();
    assert_eq!(json["lanes"][0]["lane"]["model"], "one");
    assert_eq!(json["plan"]["lanes"][2]["model"], "two");
    assert!(file("csv").await.body.contains("2,served,\"two\","));
    assert!(file("svg").await.body.contains(">two · avx2 · 2 threads<"));
    let again = page
        .split("/compare?")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let again = browser
        .get(&format!("/compare?{}", again.replace("&amp;", "&")))
        .await
        .body;
    let chosen = "<option value=\"two\" selected>Two</option>";
    assert_eq!(again.matches(chosen).count(), 2, "{again}");
}

#[tokio::test]
async fn lanes_of_one_model_do_not_name_it_and_where_there_is_one_none_is_asked_for() {
    let fields = [
        lanes(["scalar", "avx2"]),
        vec![("model_1", "two"), ("model_2", "two")],
    ]
    .concat();
    let browser = beside_another();
    let begun = browser.post_form("/compare", &fields).await;
    let page = browser.chunks(begun.location()).await.concat();
    let row = "<th scope=\"row\">scalar · 2 threads</th>";
    assert!(page.contains(row), "{page}");
    assert!(
        page.contains("All lanes gave the same 20 tokens."),
        "{page}"
    );
    assert!(page.contains("<p class=\"note\">Two"), "{page}");
    let alone = self::browser(Duration::ZERO);
    let form = alone.get("/compare").await.body;
    assert!(!form.contains("<select id=\"model_1\""), "{form}");
    let path = self::begun(&alone, ["scalar", "avx2"]).await;
    alone.chunks(&path).await;
    let json = alone.get(&format!("{path}/export.json")).await.body;
    assert!(!json.contains("\"model\": \"\""), "{json}");
}

#[tokio::test]
async fn a_model_that_goes_before_its_lane_begins_is_named_there() {
    let state = two_models(Duration::from_millis(5));
    let served = state.served.clone();
    let browser = Browser::at_server(state);
    let fields = [lanes(["scalar", "avx2"]), vec![("model_2", "two")]].concat();
    let begun = browser.post_form("/compare", &fields).await;
    let withdrawn = served.withdraw(&["two".to_owned()]);
    assert!(!withdrawn.unwrap().is_empty());
    let page = browser.chunks(begun.location()).await.concat();
    let why = "This lane could not be measured: the model is not served any more";
    assert!(page.contains(why), "{page}");
}

#[tokio::test]
async fn a_model_that_is_not_served_is_refused_at_its_field_in_a_post_and_in_a_link() {
    let browser = beside_another();
    let reason = "There is no model `three` here; these there are: `one`, `two`.";
    let wrong = format!("id=\"wrong-model_2\" class=\"wrong\">{reason}");
    let fields = [lanes(["scalar", "avx2"]), vec![("model_2", "three")]].concat();
    let refused = browser.post_form("/compare", &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains(&wrong), "{}", refused.body);
    let linked = browser.get("/compare?model_2=three").await.body;
    assert!(linked.contains(&wrong), "{linked}");
    let alone = self::browser(Duration::ZERO);
    let linked = alone.get("/compare?model_2=three").await.body;
    let reason = "There is no model `three` here; these there are: `scripted-1b`.";
    assert!(linked.contains(reason), "{linked}");
}

#[tokio::test]
async fn what_cannot_be_compared_comes_back_as_it_was_typed() {
    let browser = browser(Duration::ZERO);
    let refused = browser
        .post_form("/compare", &lanes(["scalar", "neon"]))
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let reason = "There is no kernel `neon` here; these there are: `scalar`, `broken`, `avx2`.";
    assert!(refused.body.contains(reason), "{}", refused.body);
    assert_eq!(
        browser.get("/compare/x").await.status,
        StatusCode::NOT_FOUND
    );
    let stop = browser
        .post_form("/compare/stop", &[("comparison", "x")])
        .await;
    assert_eq!(stop.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn where_nobody_may_compare_the_page_says_why() {
    let browser = Browser::scripted(&["hi"], Duration::ZERO);
    let page = browser.get("/compare").await.body;
    assert!(page.contains("--allow-compare"), "{page}");
    assert!(!page.contains("<textarea"), "{page}");
    let refused = browser
        .post_form("/compare", &lanes(["scalar", "avx2"]))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_answer_computed_again_is_the_same_for_its_owner_alone() {
    let browser = Browser::scripted(&["one ", "two"], Duration::ZERO);
    let asked = browser.post_form("/api/send", &message("", "what?")).await;
    let page = browser.get(asked.location()).await.body;
    let answer = page.split("/speed/").nth(1).expect("a link to its speed");
    let answer = &answer[..32];
    let speed = format!("/speed/{answer}");
    assert!(browser.get(&speed).await.body.contains("Compute again"));
    let other = browser.other();
    let refused = other
        .post_form("/speed/replay", &[("answer", answer)])
        .await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let begun = browser
        .post_form("/speed/replay", &[("answer", answer)])
        .await;
    assert_eq!(begun.location(), speed);
    let page = browser.chunks(&speed).await.concat();
    assert!(
        page.contains("Computed again: the same, all 2 tokens."),
        "{page}"
    );
    // A refusal stands at this address, which may be loaded again.
    let at_form = browser.get("/speed/replay").await;
    assert_eq!(at_form.status, StatusCode::NOT_FOUND);
}
