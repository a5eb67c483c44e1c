//! The files that pages load, and what pages hold beside them.

use super::*;

#[tokio::test]
async fn pages_hold_no_inline_script_or_style() {
    let browser = quick();
    let path = ask(&browser).await;
    for path in ["/", &path, "/nowhere", "/offline"] {
        let page = browser.get(path).await.body;
        let scripts: Vec<_> = page.split("<script").skip(1).collect();
        assert_eq!(scripts.len(), 2, "{page}");
        for script in scripts {
            assert!(script.contains("src=\"/assets/"), "{page}");
        }
        for inline in ["<style", " style=", " onclick=", "javascript:"] {
            assert!(!page.contains(inline), "{inline} in {page}");
        }
    }
}

#[tokio::test]
async fn files_are_kept_for_ever_under_their_version_only() {
    let browser = quick();
    let page = browser.get("/").await.body;
    let start = page.find("/assets/").unwrap();
    let style = page[start..].split('"').next().unwrap().to_owned();
    let folder = style.rsplit_once('/').unwrap().0;
    for (name, content_type) in [
        ("theme.js", "text/javascript; charset=utf-8"),
        ("chat.js", "text/javascript; charset=utf-8"),
        ("progress.js", "text/javascript; charset=utf-8"),
        ("main.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let reply = browser.get(&format!("{folder}/{name}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{name}");
        assert_eq!(reply.headers["content-type"], content_type);
        assert!(
            reply.headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let other = browser.get(&format!("/assets/0000/{name}")).await;
        assert_eq!(other.status, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn every_module_that_a_script_imports_is_there() {
    let browser = quick();
    let page = browser.get("/").await.body;
    let folder = &page[page.find("/assets/").unwrap()..][..24];
    let mut modules = vec!["chat.js".to_owned()];
    let mut next = 0;
    while let Some(module) = modules.get(next).cloned() {
        let reply = browser.get(&format!("{folder}/{module}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{module}");
        for import in reply.body.split("from \"./").skip(1) {
            let import = import.split('"').next().unwrap().to_owned();
            if !modules.contains(&import) {
                modules.push(import);
            }
        }
        next += 1;
    }
    assert!(modules.len() > 5, "{modules:?}");
}

#[tokio::test]
async fn a_page_can_be_installed_and_says_when_its_server_is_gone() {
    let browser = quick();
    let page = browser.get("/").await.body;
    assert!(
        page.contains("rel=\"manifest\" href=\"/manifest.webmanifest\""),
        "{page}"
    );
    let manifest = browser.get("/manifest.webmanifest").await;
    assert_eq!(
        manifest.headers["content-type"],
        "application/manifest+json"
    );
    for icon in manifest.json()["icons"].as_array().unwrap() {
        let reply = browser.get(icon["src"].as_str().unwrap()).await;
        assert_eq!(reply.headers["content-type"], "image/png", "{icon}");
    }
    let worker = browser.get("/worker.js").await;
    assert_eq!(worker.headers["cache-control"], "no-cache");
    assert!(worker.body.contains("\"/offline\""), "{}", worker.body);
    let offline = browser.get("/offline").await;
    assert_eq!(offline.status, StatusCode::OK);
    assert!(
        offline.body.contains("cannot be reached"),
        "{}",
        offline.body
    );
}
