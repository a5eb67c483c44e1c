//! The files that pages load, inside the program.
//!
//! All of them live under one folder named by the hash of their content: modules import each other by plain relative
//! names, and a browser may keep each for ever.

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

const ICON: Asset = Asset {
    name: "icon.png",
    content_type: "image/png",
    content: include_bytes!("../../public/icon.png"),
};

const ASSETS: &[Asset] = &[
    Asset {
        name: "main.css",
        content_type: "text/css; charset=utf-8",
        content: include_bytes!("../../style/main.css"),
    },
    Asset {
        name: "chat.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../public/chat.js"),
    },
    Asset {
        name: "answer.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../public/answer.js"),
    },
    Asset {
        name: "scroll.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../../public/scroll.js"),
    },
    Asset {
        name: "icon.svg",
        content_type: "image/svg+xml",
        content: include_bytes!("../../public/icon.svg"),
    },
    ICON,
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
        icon: address("icon.svg"),
    }
}

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/assets/{version}/{name}", get(asset))
        // Browsers ask for it wherever the page says its icons are.
        .route(
            "/favicon.ico",
            get(async || serve(&ICON, "public, max-age=86400")),
        )
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
