//! Who may begin a comparison, and what others see.

use axum::body::Body;
use axum::http::Request;

use super::*;
use crate::sign_in::{SIGN_IN, SignIn};
use crate::test_support::browser::{by_proxy, form, get, here, settings, store};

const HTML: &str = "text/html,application/xhtml+xml";

fn server(comparers: Permitted) -> AppState {
    let chats = Scripted::new(&["hi"], Duration::ZERO);
    let state = AppState::new(Arc::new(chats), settings(), store(), None);
    state.comparing(Arc::new(Words(Duration::ZERO)), comparers)
}

/// Whether the page has a form, and the status of what is posted.
async fn may(browser: &Browser, change: impl Fn(&mut Request<Body>)) -> (bool, StatusCode) {
    let mut page = here(get("/compare").body(Body::empty()).unwrap());
    change(&mut page);
    let page = browser.send(page).await.body;
    assert_ne!(page.contains("<textarea"), page.contains("--allow-compare"));
    let mut post = here(form("/compare", &lanes(["scalar", "avx2"]), HTML));
    change(&mut post);
    let posted = browser.send(post).await;
    if posted.status == StatusCode::SEE_OTHER {
        browser.chunks(posted.location()).await;
    }
    (page.contains("<textarea"), posted.status)
}

#[tokio::test]
async fn strangers_who_come_by_a_proxy_of_this_machine_compare_only_where_all_may() {
    const NO: (bool, StatusCode) = (false, StatusCode::FORBIDDEN);
    const YES: (bool, StatusCode) = (true, StatusCode::SEE_OTHER);
    for (comparers, by_proxied) in [(Permitted::Loopback, NO), (Permitted::Anyone, YES)] {
        let browser = Browser::at_server(server(comparers));
        assert_eq!(may(&browser, |_| ()).await, YES, "{comparers:?}");
        assert_eq!(may(&browser, by_proxy).await, by_proxied, "{comparers:?}");
        let fields = lanes(["scalar", "avx2"]);
        let unknown = browser.post_form("/compare", &fields).await;
        assert_eq!(unknown.status, by_proxied.1, "{comparers:?}");
    }
}

#[tokio::test]
async fn who_has_signed_in_compares_from_everywhere() {
    let sign_in = SignIn::new("correct horse").unwrap();
    let state = server(Permitted::Loopback).behind(Some(sign_in));
    let browser = Browser::at_server(state);
    let fields = [("password", "correct horse")];
    browser.post_form(SIGN_IN, &fields).await;
    let yes = (true, StatusCode::SEE_OTHER);
    assert_eq!(may(&browser, by_proxy).await, yes);
}
