//! Pages in the language of whoever reads them.

use axum::http::header::{ACCEPT_LANGUAGE, CONTENT_LANGUAGE, SET_COOKIE, VARY};
use nibble_app::LANGUAGE;

use super::*;
use crate::sign_in::SIGN_IN;
use crate::test_support::browser::{Reply, get, upload};

/// Latin words that a Chinese page has all the same: names, keys, units, what everybody calls so.
const LATIN: &[&str] = &[
    "ChatGPT",
    "CPU",
    "Ctrl",
    "Ctrl+Shift+O",
    "English",
    "Enter",
    "Escape",
    "GB",
    "HTML",
    "JSON",
    "KiB",
    "Llama",
    "Markdown",
    "MB",
    "Min-p",
    "Nibble",
    "Open",
    "Python",
    "Shift",
    "Shift+Enter",
    "Top-k",
    "Top-p",
    "TTFT",
    "WebUI",
    "token",
    "us-east-1",
];

fn chinese() -> HeaderValue {
    HeaderValue::from_static("zh-CN,zh;q=0.9,en;q=0.8")
}

async fn read(browser: &Browser, path: &str) -> Reply {
    let request = get(path).header(ACCEPT_LANGUAGE, chinese());
    browser.send(request.body(Body::empty()).unwrap()).await
}

async fn post(browser: &Browser, path: &str, fields: &[(&str, &str)], accept: &str) -> Reply {
    let mut request = form(path, fields, accept);
    request.headers_mut().insert(ACCEPT_LANGUAGE, chinese());
    browser.send(request).await
}

/// Latin words that somebody sees or hears who has this page.
fn latin_words(html: &str, names: &[&str]) -> Vec<String> {
    let mut seen = String::new();
    for part in html.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        if ["title", "script", "style"]
            .iter()
            .any(|unread| tag.starts_with(unread))
        {
            continue;
        }
        for heard in ["aria-label=\"", "placeholder=\"", " title=\""] {
            let label = tag
                .split_once(heard)
                .and_then(|(_, label)| label.split('"').next());
            seen.push_str(label.unwrap_or_default());
            seen.push('\n');
        }
        seen.push_str(text);
        seen.push('\n');
    }
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    let words = seen.split(|letter| !is_part(letter));
    let words = words.filter(|word| word.bytes().filter(u8::is_ascii_alphabetic).count() > 1);
    let known = |word: &str| LATIN.contains(&word) || names.iter().any(|name| name.contains(word));
    words
        .filter(|word| !known(word))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_page_comes_in_the_language_that_its_browser_prefers() {
    let browser = Browser::scripted(
        &["# 标题\n\n", "- [x] 完成\n- [ ] 待办[^1]\n\n", "[^1]: 注\n"],
        Duration::ZERO,
    );
    let sent = post(&browser, "/api/send", &message("", "为什么？"), "text/html").await;
    let chat = sent.location().to_owned();
    let before = format!("{chat}?hidden=00000000000000000000000000000001");
    // As the engine describes them.
    let engine = ["Scripted", "scalar", "int4, groups of 32"];
    let machines = [
        "r8g.4xlarge",
        "c8g.4xlarge",
        "m8g.4xlarge",
        "r7g.4xlarge",
        "c7i.4xlarge",
        "be",
        "brief",
    ];
    for path in [
        "/",
        &chat,
        &before,
        "/chats",
        "/chats?q=none",
        "/nowhere",
        "/c/none",
        "/offline",
    ] {
        let page = read(&browser, path).await;
        assert!(
            page.body.contains("<html lang=\"zh-CN\">"),
            "{path}: {}",
            page.body
        );
        assert_eq!(page.headers[CONTENT_LANGUAGE], "zh-CN", "{path}");
        assert_eq!(page.headers[VARY], "Accept-Language, Cookie", "{path}");
        let names = [&machines[..], &engine].concat();
        assert_eq!(
            latin_words(&page.body, &names),
            [""; 0],
            "{path}: {}",
            page.body
        );
        let english = browser.get(path).await;
        assert!(english.body.contains("<html lang=\"en\">"), "{path}");
        assert_eq!(english.headers[CONTENT_LANGUAGE], "en", "{path}");
    }
}

#[tokio::test]
async fn what_is_refused_is_said_in_the_language_of_whoever_asked() {
    let browser = quick();
    let mut fields = message("", "为什么？");
    fields[2].1 = "1.5";
    let page = post(&browser, "/api/send", &fields, "text/html").await;
    let reason = "温度必须是 0 到 1 之间的数，实际为 `1.5`";
    assert!(page.body.contains(&format!("{reason}。")), "{}", page.body);
    let reply = post(&browser, "/api/send", &fields, "application/json").await;
    assert_eq!(reply.json()["reason"], reason);
    let reply = browser.post_json("/api/send", &fields).await;
    assert!(
        reply.json()["reason"]
            .as_str()
            .unwrap()
            .starts_with("the temperature")
    );
}

#[tokio::test]
async fn readers_of_one_answer_each_have_it_in_their_language() {
    let browser = Browser::scripted(
        &["- [x] one\n\n", "two ", "three"],
        Duration::from_millis(60),
    );
    let sent = browser.post_json("/api/send", &message("", "what?")).await;
    let events = format!("/runs/{}/events", sent.json()["run"].as_str().unwrap());
    let (english, chinese) = tokio::join!(browser.get(&events), read(&browser, &events));
    for (events, own, foreign) in [
        (
            english.body,
            ["Done", "The answer is complete.", "first token"],
            "完成",
        ),
        (
            chinese.body,
            ["已完成", "回答已完成。", "首个 token"],
            "Done",
        ),
    ] {
        for words in own {
            assert!(events.contains(words), "no {words} in {events}");
        }
        assert!(!events.contains(foreign), "{events}");
    }
}

#[tokio::test]
async fn an_answer_that_streams_into_a_page_does_so_in_its_language() {
    let browser = Browser::scripted(&["one ", "two"], Duration::from_millis(60));
    let path = ask(&browser).await;
    let page = read(&browser, &path).await.body;
    assert!(
        page.contains("正在输出 · ") && page.contains("回答"),
        "{page}"
    );
    assert!(!page.contains("Writing"), "{page}");
}

#[tokio::test]
async fn the_switch_keeps_what_is_typed_and_is_remembered() {
    let browser = quick();
    let mut fields = message("", "a draft").to_vec();
    fields[2].1 = "0.75";
    fields.push(("language", "zh-CN"));
    let page = browser
        .post_form(&format!("{LANGUAGE}?next=%2F"), &fields)
        .await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "<html lang=\"zh-CN\">",
        ">a draft</textarea>",
        "value=\"0.75\"",
        "新对话",
    ] {
        assert!(page.body.contains(part), "no {part} in {}", page.body);
    }
    assert_eq!(page.headers[CONTENT_LANGUAGE], "zh-CN");
    let cookies = page.headers.get_all(SET_COOKIE).iter();
    let mut cookies = cookies.map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.starts_with("nibble_language=zh-CN;"));
    assert!(
        cookie.unwrap().contains("; HttpOnly; SameSite=Lax"),
        "{cookie:?}"
    );
    assert!(browser.get("/chats").await.body.contains("lang=\"zh-CN\""));
    let back = browser
        .post_form(&format!("{LANGUAGE}?next=%2Fchats"), &[("language", "en")])
        .await;
    assert_eq!(back.location(), "/chats");
    assert!(
        browser
            .get("/chats")
            .await
            .body
            .contains("<html lang=\"en\">")
    );
}

#[tokio::test]
async fn the_switch_leads_to_our_own_pages_and_knows_our_own_languages() {
    let browser = quick();
    for next in [
        "https%3A%2F%2Felsewhere.example",
        "%2F%2Felsewhere.example",
        "",
    ] {
        let reply = browser
            .post_form(&format!("{LANGUAGE}?next={next}"), &[("language", "en")])
            .await;
        assert_eq!(reply.location(), "/", "{next}");
    }
    let refused = browser.post_form(LANGUAGE, &[("language", "tlh")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.headers.get(SET_COOKIE), None);
}

#[tokio::test]
async fn who_is_to_sign_in_can_choose_a_language_and_sees_nothing_more() {
    let browser = Browser::behind("correct horse");
    let page = read(&browser, SIGN_IN).await;
    assert_eq!(latin_words(&page.body, &[]), [""; 0], "{}", page.body);
    let mut fields = message("", "a draft").to_vec();
    fields.push(("language", "zh-CN"));
    let reply = browser
        .post_form(&format!("{LANGUAGE}?next=%2F"), &fields)
        .await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    let wrong = browser
        .post_form(SIGN_IN, &[("password", "wrong horse")])
        .await;
    assert!(wrong.body.contains("密码不正确。"), "{}", wrong.body);
}

#[tokio::test]
async fn a_chat_leaves_as_a_file_in_the_language_of_whoever_takes_it() {
    let browser = quick();
    let path = ask(&browser).await;
    let file = read(&browser, &format!("{path}/export.md")).await.body;
    assert!(
        file.contains("## 系统提示词") && file.contains("## 回答"),
        "{file}"
    );
    let file = read(&browser, &format!("{path}/export.html")).await.body;
    assert!(
        file.contains("<html lang=\"zh-CN\">") && file.contains("首个 token 时间 (TTFT)"),
        "{file}"
    );
}

#[tokio::test]
async fn the_switch_says_that_files_are_to_be_chosen_again() {
    let browser = quick();
    for (file, is_missed) in [("notes.txt", true), ("", false)] {
        let mut fields = message("", "a draft").to_vec();
        fields.extend([("language", "en"), ("files", file)]);
        let page = browser
            .post_form(&format!("{LANGUAGE}?next=%2F"), &fields)
            .await;
        assert_eq!(page.status, StatusCode::OK);
        let said = page
            .body
            .contains("files cannot come with it; choose them again.");
        assert_eq!(said, is_missed, "{}", page.body);
    }
}

#[tokio::test]
async fn a_file_of_a_question_is_named_in_the_language_of_whoever_takes_the_chat() {
    let browser = quick();
    let files = [("a.txt", &b"one"[..])];
    let sent = upload("/api/send", &message("", "what?"), &files, "text/html");
    let path = browser.send(sent).await.location().to_owned();
    browser.get(&path).await;
    let address = format!("{path}/export.md");
    let chinese = read(&browser, &address).await.body;
    assert!(
        chinese.contains("\n文件 `a.txt`：\n\n```\none\n```\n"),
        "{chinese}"
    );
    let english = browser.get(&address).await.body;
    assert!(
        english.contains("\nFile `a.txt`:\n\n```\none\n```\n"),
        "{english}"
    );
}
