//! Settings that a visitor keeps under names.

use super::*;
use crate::test_support::browser::Reply;

fn fields<'a>(conversation: &'a str, extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = message(conversation, "half a thought").to_vec();
    fields.extend(extra);
    fields
}

const MISSED: &str = "files cannot come with it; choose them again.";

async fn save(browser: &Browser, name: &str) -> Reply {
    let fields = fields("", &[("preset_name", name)]);
    browser.post_form("/api/save_preset", &fields).await
}

#[tokio::test]
async fn settings_are_saved_under_a_name_and_listed_escaped() {
    let browser = quick();
    let saved = save(&browser, " <b>mine</b> &  \"co\" ").await;
    assert_eq!(saved.status, StatusCode::OK);
    assert!(
        saved.body.contains("value=\"&lt;b&gt;mine"),
        "{}",
        saved.body
    );
    let page = browser.get("/").await.body;
    let listed = "value=\"&lt;b&gt;mine&lt;/b&gt; &amp; &quot;co&quot;\"";
    assert!(page.contains(listed), "{page}");
    assert!(!page.contains("<b>mine"), "{page}");
    assert!(page.contains("be brief&quot;"), "{page}");
    for built_in in [">Defaults</option>", ">Short answers</option>"] {
        assert!(page.contains(built_in), "{page}");
    }
}

#[tokio::test]
async fn presets_are_nobody_elses() {
    let browser = quick();
    save(&browser, "mine").await;
    let other = browser.other();
    let page = other.get("/").await.body;
    assert!(
        !page.contains("mine") && !page.contains("be brief"),
        "{page}"
    );
    for path in ["/api/use_preset", "/api/delete_preset"] {
        let refused = other
            .post_form(path, &fields("", &[("preset", "mine")]))
            .await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        let body = refused.body;
        assert!(body.contains("You have saved no preset `mine`."), "{body}");
        assert!(body.contains(">half a thought</textarea>"), "{body}");
    }
    assert!(browser.get("/").await.body.contains(">mine</option>"));
    // Nor can one be put into a conversation of somebody else.
    let path = ask(&browser).await;
    let id = path.trim_start_matches("/c/");
    let given = fields(id, &[("preset", "Defaults")]);
    let refused = other.post_form("/api/use_preset", &given).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_preset_holds_in_the_conversation_that_it_is_used_in() {
    let browser = quick();
    let path = ask(&browser).await;
    let id = path.trim_start_matches("/c/");
    save(&browser, "mine").await;
    let short = "Answer in one or two short sentences.";
    for (conversation, address) in [("", "/"), (id, path.as_str())] {
        let used = fields(conversation, &[("preset", "Short answers")]);
        let reply = browser.post_form("/api/use_preset", &used).await;
        assert_eq!(reply.status, StatusCode::OK);
        assert!(reply.body.contains(&format!("{short}</textarea>")));
        let led = browser.post_json("/api/use_preset", &used).await;
        assert_eq!(led.location(), address);
        let page = browser.get(address).await.body;
        assert!(page.contains(&format!("{short}</textarea>")), "{page}");
        let used = fields(conversation, &[("preset", "mine")]);
        browser.post_form("/api/use_preset", &used).await;
        let page = browser.get(address).await.body;
        assert!(page.contains("be brief</textarea>"), "{page}");
        // The price is the machine's.
        assert!(page.contains("value=\"3.6\""), "{page}");
    }
}

#[tokio::test]
async fn presets_are_saved_over_and_deleted() {
    let browser = quick();
    for prompt in ["be brief", "be long"] {
        let mut fields = fields("", &[("preset_name", "Short answers")]);
        fields.retain(|(name, _)| *name != "system_prompt");
        fields.push(("system_prompt", prompt));
        browser.post_form("/api/save_preset", &fields).await;
    }
    let page = browser.get("/").await.body;
    assert_eq!(page.matches(">Short answers</option>").count(), 1, "{page}");
    assert!(page.contains("be long") && !page.contains("be brief"));
    let deleted = fields("", &[("preset", "Short answers")]);
    browser.post_form("/api/delete_preset", &deleted).await;
    let page = browser.get("/").await.body;
    assert!(page.contains("one or two short sentences"), "{page}");
    let refused = browser.post_form("/api/delete_preset", &deleted).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_cannot_be_saved_is_refused_beside_its_field() {
    let browser = quick();
    let long = "n".repeat(41);
    for (name, reason) in [
        (" ", "The name of the preset is empty."),
        (&long, "may have at most 40 characters, found 41."),
    ] {
        let refused = save(&browser, name).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.body.contains(reason), "{}", refused.body);
        assert!(refused.body.contains(">half a thought</textarea>"));
    }
    let fields = [("preset_name", "mine"), ("temperature", "7")];
    let refused = browser.post_form("/api/save_preset", &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for n in 0..20 {
        save(&browser, &format!("preset {n}")).await;
    }
    let refused = save(&browser, "one more").await;
    let reason = "There may be at most 20 presets of yours; delete one first.";
    assert!(refused.body.contains(reason), "{}", refused.body);
}

#[tokio::test]
async fn what_is_typed_outlasts_every_button_of_presets() {
    let browser = quick();
    let path = ask(&browser).await;
    let id = path.trim_start_matches("/c/");
    for (conversation, action) in [("", "/"), (id, path.as_str())] {
        for (button, kept) in [
            ("save_preset", "value=\"0.75\""),
            ("use_preset", "value=\"0.5\""),
            ("delete_preset", "value=\"0.75\""),
        ] {
            let before = message(conversation, "before").to_vec();
            let names = [("preset_name", "other"), ("preset", "other")];
            let saved = [before, names.to_vec()].concat();
            browser.post_form("/api/save_preset", &saved).await;
            let mut fields = fields(conversation, &names);
            let temperature = fields.iter_mut().find(|(name, _)| *name == "temperature");
            temperature.unwrap().1 = "0.75";
            let reply = browser.post_form(&format!("/api/{button}"), &fields).await;
            assert_eq!(reply.status, StatusCode::OK, "{button} {action}");
            let page = reply.body;
            assert!(page.contains(">half a thought</textarea>"), "{page}");
            assert!(
                page.contains(kept) || button == "save_preset",
                "{button}: {page}"
            );
            assert!(
                page.contains(&format!("value=\"{conversation}\"")),
                "{page}"
            );
        }
    }
}

#[tokio::test]
async fn files_that_a_button_of_presets_loses_are_asked_for_again() {
    let browser = quick();
    let named = fields("", &[("preset", "Defaults"), ("files", "notes.txt")]);
    let page = browser.post_form("/api/use_preset", &named).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(MISSED), "{}", page.body);
    let none = fields("", &[("preset", "Defaults"), ("files", "")]);
    let page = browser.post_form("/api/use_preset", &none).await;
    assert!(!page.body.contains(MISSED), "{}", page.body);
    let refused = fields("", &[("preset", "mine"), ("files", "notes.txt")]);
    let page = browser.post_form("/api/use_preset", &refused).await;
    let reason = "You have saved no preset `mine`; choose the files again.";
    assert!(page.body.contains(reason), "{}", page.body);
}

#[tokio::test]
async fn only_presets_of_ones_own_can_be_deleted() {
    let browser = quick();
    let button = "id=\"delete-preset\"";
    let page = browser.get("/").await.body;
    assert!(!page.contains(button), "{page}");
    assert_eq!(page.matches("data-built-in").count(), 2, "{page}");
    let page = save(&browser, "mine").await.body;
    assert!(page.contains(button), "{page}");
    assert_eq!(page.matches("data-built-in").count(), 2, "{page}");
}
