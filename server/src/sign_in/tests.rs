use axum::body::Body;
use axum::http::header::{ACCEPT, HOST, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};

use super::*;
use crate::test_support::browser::{Browser, ORIGIN_HERE, Reply, message};

const PASSWORD: &str = "correct horse";
const NOBODY: &str = "00000000000000000000000000000001";

/// What is answered without the password, and nothing else.
const OPEN: [&str; 14] = [
    "/assets/{version}/{name}",
    "/favicon.ico",
    "/health",
    "/icon-192.png",
    "/icon-512.png",
    "/language",
    "/manifest.webmanifest",
    "/metrics",
    "/offline",
    "/sign-in",
    "/v1",
    "/v1/",
    "/v1/chat/completions",
    "/worker.js",
];

/// A path in which a name stands for each of its parts.
fn filled(path: &str, name: &str) -> String {
    let part = |part: &str| match part.starts_with('{') {
        true => name.to_owned(),
        false => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

async fn ask(browser: &Browser, method: Method, path: &str, accept: &str) -> Reply {
    let request = Request::builder().method(method).uri(path);
    let request = request
        .header(HOST, "localhost:8080")
        .header(ORIGIN, ORIGIN_HERE)
        .header(ACCEPT, accept);
    browser.send(request.body(Body::empty()).unwrap()).await
}

async fn sign_in(browser: &Browser, password: &str, next: &str) -> Reply {
    let fields = [("password", password), ("next", next)];
    browser.post_form(SIGN_IN, &fields).await
}

#[tokio::test]
async fn nothing_but_what_is_open_is_answered_without_the_password() {
    let browser = Browser::behind(PASSWORD);
    let paths = browser.paths();
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths.iter().map(String::as_str).chain(["/nowhere"]) {
        if OPEN.contains(&path) || crate::api::owns(path) {
            continue;
        }
        let path = filled(path, NOBODY);
        let page = ask(&browser, Method::GET, &path, "text/html").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
        assert!(page.location().starts_with(SIGN_IN), "{path}");
        for (method, accept) in [
            (Method::GET, "*/*"),
            (Method::GET, "text/event-stream"),
            (Method::POST, "text/html"),
            (Method::DELETE, "application/json"),
        ] {
            let refused = ask(&browser, method.clone(), &path, accept).await;
            let expected = match (&method, &*path) {
                // Ollama's clients are told that no model is removed, whoever asks.
                (&Method::DELETE, "/api/delete") => StatusCode::NOT_IMPLEMENTED,
                _ => StatusCode::UNAUTHORIZED,
            };
            assert_eq!(refused.status, expected, "{method} {path}");
        }
    }
    for path in OPEN {
        let page = ask(&browser, Method::GET, path, "text/html").await;
        assert_ne!(page.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_ne!(page.status, StatusCode::SEE_OTHER, "{path}");
    }
}

#[tokio::test]
async fn who_has_the_password_shares_all_chats_until_signing_out() {
    let (phone, laptop) = {
        let phone = Browser::behind(PASSWORD);
        let laptop = phone.other();
        (phone, laptop)
    };
    let wanted = ask(&phone, Method::GET, "/chats?q=a%26b", "text/html").await;
    assert_eq!(wanted.location(), "/sign-in?next=%2Fchats%3Fq%3Da%2526b");
    let form = phone.get(wanted.location()).await;
    assert_eq!(form.status, StatusCode::OK);
    assert!(
        form.body.contains("value=\"/chats?q=a%26b\""),
        "{}",
        form.body
    );
    let signed = sign_in(&phone, PASSWORD, "/chats?q=a%26b").await;
    assert_eq!(signed.status, StatusCode::SEE_OTHER);
    assert_eq!(signed.location(), "/chats?q=a%26b");
    let cookie = signed.headers[SET_COOKIE].to_str().unwrap();
    for part in ["; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let sent = phone.post_form("/api/send", &message("", "what?")).await;
    let chat = sent.location().to_owned();
    sign_in(&laptop, PASSWORD, "").await;
    let page = laptop.get(&chat).await;
    assert!(page.body.contains("secret"), "{}", page.body);
    assert!(page.body.contains(">Sign out</button>"), "{}", page.body);
    assert_eq!(laptop.get(SIGN_IN).await.location(), "/");
    let out = laptop.post_form(SIGN_OUT, &[]).await;
    assert_eq!(out.location(), SIGN_IN);
    assert_eq!(laptop.get(&chat).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(phone.get(&chat).await.status, StatusCode::OK);
}

#[tokio::test]
async fn wrong_passwords_are_told_and_counted() {
    let browser = Browser::behind(PASSWORD);
    for _ in 0..TRIES {
        let wrong = sign_in(&browser, "guess", "/chats").await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
        assert!(
            wrong.body.contains("That is not the password."),
            "{}",
            wrong.body
        );
        assert!(wrong.body.contains("value=\"/chats\""), "{}", wrong.body);
        assert!(wrong.headers.get(SET_COOKIE).is_none());
    }
    let late = sign_in(&browser, PASSWORD, "").await;
    assert_eq!(late.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(
        late.headers[RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
            <= 60
    );
    assert!(
        late.body.contains("Too many wrong passwords; try again in"),
        "{}",
        late.body
    );
}

#[test]
fn each_address_has_its_tries_again_after_a_minute() {
    let sign_in = SignIn::new(PASSWORD).unwrap();
    let start = Instant::now();
    for _ in 0..TRIES {
        assert_eq!(sign_in.admit(1, "guess", start).err(), Some(Refusal::Wrong));
    }
    let refused = sign_in.admit(1, PASSWORD, start);
    assert_eq!(refused.err(), Some(Refusal::TooMany { wait: MINUTE }));
    assert!(sign_in.admit(2, PASSWORD, start).is_ok());
    assert!(sign_in.admit(1, PASSWORD, start + MINUTE).is_ok());
    for caller in 0..2 * ADDRESSES as u64 {
        let _ = sign_in.admit(caller, "guess", start);
    }
    assert!(sign_in.tries.lock().unwrap().len() <= ADDRESSES);
}

#[test]
fn a_session_outlasts_the_program_and_ends_with_the_password_and_with_time() {
    let sign_in = SignIn::new(PASSWORD).unwrap();
    let until = now() / 1000 + 5;
    let token = sign_in.token(until);
    let again = SignIn::new("correct horse\r\n").unwrap();
    assert!(sign_in.holds(&token) && again.holds(&token));
    assert!(!SignIn::new("another horse").unwrap().holds(&token));
    let past = now() / 1000 - 1;
    assert!(!sign_in.holds(&sign_in.token(past)));
    let longer = format!("{}{}", until + 1, &token[token.find('.').unwrap()..]);
    for forged in [longer.as_str(), "", ".", &token[..token.len() - 1], "1.é"] {
        assert!(!sign_in.holds(forged), "{forged}");
    }
}

#[test]
fn a_password_that_is_too_short_is_refused() {
    let refused = SignIn::new("short\n").err().unwrap();
    assert_eq!(refused, "a password must have 8 to 1024 bytes, found 5");
}

#[test]
fn nobody_is_led_to_another_site() {
    for next in ["/chats", "/c/1?before=2"] {
        assert_eq!(within_site(next), next);
    }
    for next in [
        "",
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/a\r\nb",
        "/é",
    ] {
        assert_eq!(within_site(next), "/");
    }
}

#[tokio::test]
async fn without_a_password_there_is_nothing_to_sign_in_to() {
    let browser = Browser::scripted(&["hi"], Duration::ZERO);
    assert_eq!(browser.get(SIGN_IN).await.headers[LOCATION], "/");
    assert!(!browser.get("/").await.body.contains("Sign out"));
}

/// The names that a page of somebody else has.
struct Theirs {
    conversation: String,
    question: String,
    answer: String,
}

async fn theirs(owner: &Browser) -> Theirs {
    let sent = owner
        .post_json("/api/send", &message("", "a quokka?"))
        .await
        .json();
    let conversation = sent["conversation"].as_str().unwrap().to_owned();
    let page = owner.get(&format!("/c/{conversation}")).await.body;
    let rest = page.split("data-question=\"").nth(1).unwrap();
    Theirs {
        question: rest.split('"').next().unwrap().to_owned(),
        answer: sent["run"].as_str().unwrap().to_owned(),
        conversation,
    }
}

#[tokio::test]
async fn no_route_tells_or_changes_what_is_somebody_elses() {
    let owner = Browser::scripted(&["The quokka is small."], Duration::ZERO);
    let Theirs {
        conversation,
        question,
        answer,
    } = theirs(&owner).await;
    let before = owner.get("/chats/export.json").await.body;
    assert!(before.contains("The quokka is"), "{before}");
    let other = owner.other();
    other.get("/").await;
    let fields = [
        ("conversation", conversation.as_str()),
        ("question", &question),
        ("answer", &answer),
        ("run", &answer),
        ("message", &answer),
        ("title", "mine"),
        ("pinned", "true"),
        ("shared", "true"),
        ("temperature", "0.5"),
        ("max_tokens", "100"),
        ("system_prompt", ""),
        ("usd_per_hour", "1"),
    ];
    for path in owner.paths() {
        for name in [&conversation, &question, &answer] {
            let told = other.get(&filled(&path, name)).await;
            assert!(!told.body.contains("quokka"), "{path}: {}", told.body);
        }
        let posted = other
            .post_form(&filled(&path, &conversation), &fields)
            .await;
        assert!(!posted.body.contains("quokka"), "{path}: {}", posted.body);
    }
    assert_eq!(owner.get("/chats/export.json").await.body, before);
}
