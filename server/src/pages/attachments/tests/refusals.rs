//! Files that cannot be taken, and forms that are none.

use axum::http::header::LOCATION;
use nibble_app::domain::FILES;

use super::*;

#[tokio::test]
async fn a_file_that_is_no_text_is_refused_by_name_and_what_was_typed_is_kept() {
    let browser = browser();
    for (name, bytes, reason) in [
        (
            "p.png",
            &b"\x89PNG\r\n\x1a\n\0"[..],
            "`p.png` is not text: a file must be",
        ),
        (
            "../../latin.txt",
            b"caf\xe9",
            "`latin.txt` is not text: a file must be",
        ),
        ("empty.txt", b"", "`empty.txt` has no text"),
        (
            "big.txt",
            &vec![b'x'; FILE_BYTES + 1],
            "`big.txt` has 129 KiB of text, and a file may have at most 128",
        ),
        ("<i>\u{202e}.bin", b"\0", "`&lt;i&gt;.bin` is not text"),
        ("%22x%22%0D.bin", b"\0", "`\"x\" .bin` is not text"),
    ] {
        let refused = send(&browser, "keep me", &[("ok.txt", b"fine"), (name, bytes)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        let body = refused.body;
        assert!(body.contains(reason), "no {reason} in {body}");
        assert!(body.contains("; choose the files again."), "{body}");
        assert!(body.contains(">keep me</textarea>"), "{body}");
        assert!(!body.contains("Open settings"), "{body}");
    }
    let list = browser.get("/chats").await.body;
    assert!(!list.contains("keep me"), "{list}");
}

#[tokio::test]
async fn a_script_hears_which_field_is_to_blame_and_still_has_its_files() {
    let sent = upload(
        "/api/send",
        &message("", "x"),
        &[("a", b"\0")],
        "application/json",
    );
    let json = browser().send(sent).await.json();
    assert_eq!(json["field"], "files");
    let reason = json["reason"].as_str().unwrap();
    assert!(reason.ends_with("with its mark"), "{reason}");
}

#[tokio::test]
async fn files_have_limits_together() {
    let browser = browser();
    let many = vec![("a.txt", &b"x"[..]); FILES + 1];
    let half = vec![b'x'; 100 * 1024];
    let long = [("a.txt", &half[..]), ("b.txt", &half)];
    let huge = vec![b'x'; BODY_BYTES];
    let huge = [("a.txt", &huge[..])];
    for (files, reason) in [
        (&many[..], "There may be at most 8 files, found 9"),
        (
            &long,
            "The files have 200 KiB of text together, and may have at most 192",
        ),
        (
            &huge,
            "A message and its files may have at most 9 MiB together",
        ),
    ] {
        let refused = send(&browser, "keep me", files).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            refused.body.contains(reason),
            "no {reason} in {}",
            refused.body
        );
        assert!(
            refused.body.contains(">keep me</textarea>"),
            "{}",
            refused.body
        );
    }
}

#[tokio::test]
async fn a_form_with_files_that_breaks_off_or_is_none_is_refused() {
    let browser = browser();
    for body in [
        "",
        "--edge\r\n",
        "--edge\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\"\r\n\r\nx",
        "--edge\r\nno header\r\n\r\nx\r\n--edge--\r\n",
    ] {
        for path in ["/api/send", COUNT] {
            let (parts, _) = upload(path, &[], &[], FORM).into_parts();
            let mut request = Request::from_parts(parts, Body::from(body));
            request.headers_mut().remove(CONTENT_LENGTH);
            let reply = browser.send(request).await;
            assert!(reply.status.is_client_error(), "{body:?}: {}", reply.status);
            assert!(reply.headers.get(LOCATION).is_none(), "{body:?}");
        }
    }
    let long = "x".repeat(FORM_BYTES + 1);
    let reply = browser
        .send(upload("/api/send", &message("", &long), &[], FORM))
        .await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
}
