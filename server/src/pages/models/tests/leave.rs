//! Who may fetch and remove, and what others see.

use super::*;
use crate::test_support::browser::by_proxy;

/// Whether a browser at a page has buttons, and the status of what it posts.
async fn may(place: &Place, change: impl Fn(&mut Request<Body>)) -> (bool, StatusCode) {
    let mut page = here(get(MODELS).body(Body::empty()).unwrap());
    change(&mut page);
    let page = place.browser.send(page).await.body;
    let mut post = here(form(FETCH_MODEL, &[("name", "no name")], HTML));
    change(&mut post);
    let posted = place.browser.send(post).await;
    (page.contains("aria-label=\"Fetch "), posted.status)
}

#[tokio::test]
async fn who_may_not_sees_no_buttons_one_sentence_and_is_refused() {
    const NO: (bool, StatusCode) = (false, StatusCode::FORBIDDEN);
    const YES: (bool, StatusCode) = (true, StatusCode::UNPROCESSABLE_ENTITY);
    let here = |_: &mut Request<Body>| {};
    let elsewhere = |request: &mut Request<Body>| {
        let peer = SocketAddr::from(([192, 0, 2, 1], 9));
        request.extensions_mut().insert(ConnectInfo(peer));
    };
    let proxied = |request: &mut Request<Body>| {
        by_proxy(request);
    };
    for (managers, [by_here, by_elsewhere, by_proxied]) in [
        (Permitted::Loopback, [YES, NO, NO]),
        (Permitted::Password, [NO, NO, NO]),
        (Permitted::Anyone, [YES, YES, YES]),
        (Permitted::Nobody, [NO, NO, NO]),
    ] {
        let place = Place::new(managers);
        assert_eq!(may(&place, here).await, by_here, "{managers:?}");
        assert_eq!(may(&place, elsewhere).await, by_elsewhere, "{managers:?}");
        assert_eq!(may(&place, proxied).await, by_proxied, "{managers:?}");
        assert!(place.hub.seen().is_empty());
    }
    let place = Place::new(Permitted::Loopback);
    let page = place.browser.get(MODELS).await.body;
    let why = "on the server’s own machine, or have signed in.";
    assert!(
        page.contains(why) && page.contains("nibble --model NAME"),
        "{page}"
    );
    for path in [
        FETCH_MODEL,
        CANCEL_FETCH,
        REMOVE_MODEL,
        RESTORE_MODEL,
        DISCARD_MODEL,
    ] {
        let refused = place.browser.post_form(path, &MODEL).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(place.browser.get(path).await.location(), MODELS);
    }
    let mut foreign = self::here(form(FETCH_MODEL, &MODEL, HTML));
    let origin = HeaderValue::from_static("https://evil.example");
    foreign.headers_mut().insert("origin", origin);
    assert_eq!(
        place.browser.send(foreign).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn who_has_signed_in_may_from_everywhere() {
    let (hub, home) = (hub(), TempDir::new().unwrap());
    let state = server(&hub, &home, Permitted::Password, None);
    let sign_in = SignIn::new("correct horse").unwrap();
    let browser = Browser::at_server(state.behind(Some(sign_in)));
    let refused = browser.post_form(FETCH_MODEL, &MODEL).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    browser
        .post_form(SIGN_IN, &[("password", "correct horse")])
        .await;
    let page = browser.get(MODELS).await.body;
    assert!(page.contains("aria-label=\"Fetch llama3.2:1b\""), "{page}");
    let begun = browser.post_form(FETCH_MODEL, &MODEL).await;
    assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
}
