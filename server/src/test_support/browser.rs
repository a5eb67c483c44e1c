//! A browser for tests, as far as routes can tell: requests in process, and their answers as text.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{
    ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE,
};
use axum::http::request;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::response::Response;
use futures::StreamExt;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::access::Access;
use crate::generator::Generator;
use crate::lanes::Lanes;
use crate::permitted::Permitted;
use crate::router;
use crate::sign_in::SignIn;
use crate::state::{AppState, Settings};
use crate::store::{Database, SqlStore};
use crate::test_support::scripted::Scripted;
use crate::traces::Traces;

pub(crate) const ORIGIN_HERE: &str = "http://localhost:8080";

/// What it was told to send, by name.
#[derive(Default)]
struct Cookies(Mutex<BTreeMap<String, String>>);

pub(crate) struct Browser {
    router: Router,
    cookies: Cookies,
}

pub(crate) fn settings() -> Settings {
    Settings {
        usd_per_hour: 0.94256,
        allowed_hosts: vec!["chat.example".into()],
        grace: Duration::from_secs(1),
        default_max_tokens: 4096,
        connections: 64,
        h2c: false,
    }
}

/// A store that ends with the test.
pub(crate) fn store() -> SqlStore {
    /// Connections go back to their pool in tasks of the runtime that they were opened in, which has to live on.
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    // A test's own runtime may have a single thread, which waits here.
    let opened = thread::spawn(|| RUNTIME.block_on(SqlStore::open(&Database::Memory)).unwrap());
    opened.join().unwrap()
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    /// The path that a redirect leads to, without fragment.
    pub(crate) fn location(&self) -> &str {
        let location = self.headers[LOCATION].to_str().unwrap();
        location.split('#').next().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Browser {
    pub(crate) fn new(generator: Arc<dyn Generator>) -> Self {
        Self::traced(generator, None)
    }

    pub(crate) fn traced(generator: Arc<dyn Generator>, traces: Option<Traces>) -> Self {
        Self::of(generator, store(), traces)
    }

    /// At a server with this store, which must have been opened in the test's own runtime.
    pub(crate) fn with_store(generator: Arc<dyn Generator>, store: SqlStore) -> Self {
        Self::of(generator, store, None)
    }

    fn of(generator: Arc<dyn Generator>, store: SqlStore, traces: Option<Traces>) -> Self {
        Self::at_server(AppState::new(generator, settings(), store, traces))
    }

    pub(crate) fn at_server(state: AppState) -> Self {
        Self {
            router: router(state),
            cookies: Cookies::default(),
        }
    }

    /// At a server all whose visitors may compare these lanes.
    pub(crate) fn comparing(generator: Arc<dyn Generator>, lanes: Arc<dyn Lanes>) -> Self {
        let state = AppState::new(generator, settings(), store(), None);
        Self::at_server(state.comparing(lanes, Permitted::Anyone))
    }

    /// At a server that has this password.
    pub(crate) fn behind(password: &str) -> Self {
        let generator = Arc::new(Scripted::new(&["secret"], Duration::ZERO));
        let sign_in = SignIn::new(password).unwrap();
        Self::at_server(AppState::new(generator, settings(), store(), None).behind(Some(sign_in)))
    }

    /// At a server whose API is for those who may use it, and answers `hi`.
    pub(crate) fn with_access(access: Access) -> Self {
        let generator = Arc::new(Scripted::new(&["hi"], Duration::ZERO));
        Self::at_server(AppState::new(generator, settings(), store(), None).with(access))
    }

    /// The paths of all routes, as axum's table tells them.
    pub(crate) fn paths(&self) -> Vec<String> {
        let table = format!("{:?}", self.router);
        let named = table.split(": \"/").skip(1);
        named
            .filter_map(|path| Some(format!("/{}", path.split('"').next()?)))
            .collect()
    }

    /// Another browser at the same server.
    pub(crate) fn other(&self) -> Self {
        Self {
            router: self.router.clone(),
            cookies: Cookies::default(),
        }
    }

    /// This browser at another server.
    pub(crate) fn at(&self, server: &Self) -> Self {
        let cookies = self.cookies.0.lock().unwrap().clone();
        Self {
            router: server.router.clone(),
            cookies: Cookies(Mutex::new(cookies)),
        }
    }

    pub(crate) fn scripted(pieces: &[&str], pause: Duration) -> Self {
        Self::new(Arc::new(Scripted::new(pieces, pause)))
    }

    pub(crate) async fn response(&self, mut request: Request<Body>) -> Response {
        for (name, value) in &*self.cookies.0.lock().unwrap() {
            let cookie = format!("{name}={value}").parse().unwrap();
            request.headers_mut().append(COOKIE, cookie);
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let named = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = named.split_once('=').unwrap();
            let mut cookies = self.cookies.0.lock().unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.response(request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(get(path).body(Body::empty()).unwrap()).await
    }

    /// The pieces in which a body arrives.
    pub(crate) async fn chunks(&self, path: &str) -> Vec<String> {
        let request = get(path).body(Body::empty()).unwrap();
        let response = self.response(request).await;
        let chunks = response.into_body().into_data_stream();
        chunks
            .map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap())
            .collect()
            .await
    }

    /// A form as a browser without JavaScript posts it.
    pub(crate) async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post(path, fields, "text/html,application/xhtml+xml")
            .await
    }

    /// A form as the page's script posts it.
    pub(crate) async fn post_json(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post(path, fields, "application/json").await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)], accept: &str) -> Reply {
        self.send(form(path, fields, accept)).await
    }
}

/// The post of a form.
pub(crate) fn form(path: &str, fields: &[(&str, &str)], accept: &str) -> Request<Body> {
    let body = encoded(fields);
    let request = Request::post(path)
        .header(HOST, "localhost:8080")
        .header(ORIGIN, ORIGIN_HERE)
        .header(ACCEPT, accept)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(CONTENT_LENGTH, body.len());
    request.body(Body::from(body)).unwrap()
}

/// The post of a form with files, each with the name and the bytes that are sent of it.
pub(crate) fn upload(
    path: &str,
    fields: &[(&str, &str)],
    files: &[(&str, &[u8])],
    accept: &str,
) -> Request<Body> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head = format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend([head.as_bytes(), value.as_bytes(), b"\r\n"].concat());
    }
    for (name, bytes) in files {
        let head = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    body.extend(b"--edge--\r\n");
    let request = Request::post(path)
        .header(HOST, "localhost:8080")
        .header(ORIGIN, ORIGIN_HERE)
        .header(ACCEPT, accept)
        .header(CONTENT_TYPE, "multipart/form-data; boundary=edge")
        .header(CONTENT_LENGTH, body.len());
    request.body(Body::from(body)).unwrap()
}

/// Over a connection from the machine itself.
pub(crate) fn here(mut request: Request<Body>) -> Request<Body> {
    let peer = SocketAddr::from(([127, 0, 0, 1], 9));
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

/// By a proxy of this machine, for somebody who may be anywhere.
pub(crate) fn by_proxy(request: &mut Request<Body>) {
    let client = HeaderValue::from_static("127.0.0.1");
    request.headers_mut().insert("x-forwarded-for", client);
}

pub(crate) fn get(path: &str) -> request::Builder {
    Request::get(path).header(HOST, "localhost:8080")
}

/// The fields of the page's form, with a message and usable settings.
pub(crate) fn message<'a>(conversation: &'a str, message: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("conversation", conversation),
        ("message", message),
        ("temperature", "0.5"),
        ("max_tokens", "100"),
        ("system_prompt", "be brief"),
        ("usd_per_hour", "3.6"),
    ]
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let escape = |text: &str| {
        text.bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect::<String>()
    };
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    pairs.join("&")
}
