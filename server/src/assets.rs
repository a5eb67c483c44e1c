//! The files that pages load, inside the program.
//!
//! Nearly all of them live under one folder named by the hash of their content: modules import each other by plain
//! relative names, and a browser may keep each for ever.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use nibble_app::Assets;
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::state::AppState;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    content: &'static [u8],
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The style sheet in the order in which later rules win.
const STYLE: &str = concat!(
    include_str!("../../style/base.css"),
    include_str!("../../style/layout.css"),
    include_str!("../../style/sidebar.css"),
    include_str!("../../style/composer.css"),
    include_str!("../../style/chat.css"),
    include_str!("../../style/files.css"),
    include_str!("../../style/memory.css"),
    include_str!("../../style/figures.css"),
    include_str!("../../style/prose.css"),
    include_str!("../../style/acts.css"),
    include_str!("../../style/speed.css"),
    include_str!("../../style/compare.css"),
    include_str!("../../style/models.css"),
    include_str!("../../style/print.css"),
);

/// The styles of a conversation in a file of its own, which has no page around it.
pub(crate) const FILE_STYLE: &str = concat!(
    include_str!("../../style/base.css"),
    include_str!("../../style/chat.css"),
    include_str!("../../style/files.css"),
    include_str!("../../style/figures.css"),
    include_str!("../../style/prose.css"),
    include_str!("../../style/print.css"),
    include_str!("../../style/export.css"),
);

/// A file of `public/`, under its own name.
macro_rules! public {
    ($name:literal, $content_type:expr) => {
        Asset {
            name: $name,
            content_type: $content_type,
            content: include_bytes!(concat!("../../public/", $name)),
        }
    };
}

const ASSETS: &[Asset] = &[
    Asset {
        name: "main.css",
        content_type: "text/css; charset=utf-8",
        content: STYLE.as_bytes(),
    },
    public!("theme.js", SCRIPT),
    public!("chat.js", SCRIPT),
    public!("acts.js", SCRIPT),
    public!("attach.js", SCRIPT),
    public!("answer.js", SCRIPT),
    public!("complaint.js", SCRIPT),
    public!("keys.js", SCRIPT),
    public!("models.js", SCRIPT),
    public!("morph.js", SCRIPT),
    public!("outlook.js", SCRIPT),
    public!("page.js", SCRIPT),
    public!("presets.js", SCRIPT),
    public!("progress.js", SCRIPT),
    public!("scroll.js", SCRIPT),
    public!("settings.js", SCRIPT),
    public!("texts.js", SCRIPT),
    public!("icon.svg", "image/svg+xml"),
];

/// Files whose addresses browsers know by themselves or keep, and how long their content may be kept.
const FIXED: &[(&str, Asset, &str)] = &[
    (
        "/favicon.ico",
        public!("icon.png", "image/png"),
        "public, max-age=86400",
    ),
    (
        "/icon-192.png",
        public!("icon-192.png", "image/png"),
        "public, max-age=86400",
    ),
    (
        "/icon-512.png",
        public!("icon-512.png", "image/png"),
        "public, max-age=86400",
    ),
    (
        "/manifest.webmanifest",
        public!("manifest.webmanifest", "application/manifest+json"),
        "public, max-age=86400",
    ),
    ("/worker.js", public!("worker.js", SCRIPT), "no-cache"),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in ASSETS {
        hash.update(asset.name);
        hash.update(asset.content.len().to_le_bytes());
        hash.update(asset.content);
    }
    hex(&hash.finalize()[..8])
});

/// Where pages find the files.
pub(crate) fn addresses() -> Assets {
    let address = |name| format!("/assets/{}/{name}", *VERSION);
    Assets {
        style: address("main.css"),
        script: address("chat.js"),
        theme: address("theme.js"),
        icon: address("icon.svg"),
    }
}

pub(crate) fn routes() -> Router<AppState> {
    let mut router = Router::new().route("/assets/{version}/{name}", get(asset));
    for (path, file, cache_control) in FIXED {
        router = router.route(path, get(async || serve(file, cache_control)));
    }
    router
}

/// Whether a path is that of a file.
pub(crate) fn owns(path: &str) -> bool {
    path.starts_with("/assets/") || FIXED.iter().any(|(fixed, ..)| *fixed == path)
}

/// Another version's file is not found, rather than kept for ever with this one's content.
async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) if version == *VERSION => serve(asset, "public, max-age=31536000, immutable"),
        _ => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
}

fn serve(asset: &Asset, cache_control: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, cache_control),
    ];
    (headers, asset.content).into_response()
}
