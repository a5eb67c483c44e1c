//! A hub on this machine: one repository, `owner/name`, whose large files come from another address, as the hub's do.
//!
//! The tests of the engine and those of the server share this file. Mishaps are scripted: each happens once, to the next request whose path has the given words in it.

#![allow(dead_code, reason = "each of its users leaves something out")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A running hub; its threads end with the tests.
pub(crate) struct StandIn {
    pub(crate) endpoint: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Where large files come from.
    store: Mutex<String>,
    mishaps: Mutex<Vec<(String, Mishap)>>,
    seen: Mutex<Vec<Seen>>,
    /// Without which nothing is given.
    token: Mutex<Option<String>>,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    /// From which byte on.
    pub(crate) from: usize,
    /// Whether it came to where large files are.
    pub(crate) at_store: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Mishap {
    /// A status and a header line.
    Status(u16, &'static str),
    /// The connection ends after so many bytes.
    BreaksOffAfter(usize),
    /// Nothing more comes after so many bytes, for a minute.
    StallsAfter(usize),
    /// The same number of other bytes.
    OtherBytes,
    /// The file has so many bytes here.
    Has(usize),
    /// So many bytes more than it should, without saying how many.
    GoesOnFor(usize),
    /// The whole file, whatever was asked for.
    Whole,
    /// One byte before the one that was asked for, and all after it.
    StartsEarlier,
    /// Other words in the listing.
    Lists(Value),
}

impl StandIn {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let shared = Arc::new(Shared::default());
        for (name, bytes) in files {
            let mut held = shared.files.lock().unwrap();
            held.insert((*name).to_owned(), bytes.to_vec());
        }
        *shared.store.lock().unwrap() = listen(&shared, true);
        Self {
            endpoint: listen(&shared, false),
            shared,
        }
    }

    /// With the files of a folder.
    pub(crate) fn of(folder: &Path) -> Self {
        let hub = Self::new(&[]);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            hub.put(name, &fs::read(&path).unwrap());
        }
        hub
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let mut files = self.shared.files.lock().unwrap();
        files.insert(name.to_owned(), bytes.to_vec());
    }

    pub(crate) fn needs_token(&self, token: &str) {
        *self.shared.token.lock().unwrap() = Some(token.to_owned());
    }

    /// To the next request whose path has these words.
    pub(crate) fn happens(&self, words: &str, mishap: Mishap) {
        let mut mishaps = self.shared.mishaps.lock().unwrap();
        mishaps.push((words.to_owned(), mishap));
    }

    /// What was asked since the last time.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }
}

fn listen(shared: &Arc<Shared>, at_store: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Another host, as far as the client can tell.
    let host = if at_store { "localhost" } else { "127.0.0.1" };
    let address = format!("http://{host}:{}", listener.local_addr().unwrap().port());
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let shared = Arc::clone(&shared);
            // Whoever hangs up has seen enough.
            thread::spawn(move || shared.answer(stream?, at_store));
        }
    });
    address
}

impl Shared {
    fn answer(&self, mut stream: TcpStream, at_store: bool) -> std::io::Result<()> {
        let Some(seen) = read_request(&stream, at_store)? else {
            return Ok(());
        };
        self.seen.lock().unwrap().push(seen.clone());
        let mishap = {
            let mut mishaps = self.mishaps.lock().unwrap();
            let place = mishaps.iter().position(|(words, mishap)| {
                // What happens to bytes happens where they are.
                let is_redirected = !at_store && self.is_large(&seen.path);
                let is_of_bytes = !matches!(mishap, Mishap::Status(..));
                seen.path.contains(words) && !(is_of_bytes && is_redirected)
            });
            place.map(|place| mishaps.remove(place).1)
        };
        let expected = self.token.lock().unwrap().clone();
        if !at_store && expected.is_some() && seen.token != expected {
            return head(&mut stream, 401, &["X-Error-Code: GatedRepo"], Some(0));
        }
        if let Some(Mishap::Status(status, line)) = mishap {
            return head(&mut stream, status, &[line], Some(0));
        }
        if let Some(asked) = seen.path.strip_prefix("/api/models/owner/name/revision/") {
            assert_eq!(asked, "main?blobs=true");
            let text = self.listing(mishap).to_string();
            head(&mut stream, 200, &[], Some(text.len()))?;
            return stream.write_all(text.as_bytes());
        }
        let name = seen.path.rsplit('/').next().unwrap_or_default();
        let content = self.files.lock().unwrap().get(name).cloned();
        match content {
            None => head(&mut stream, 404, &["X-Error-Code: EntryNotFound"], Some(0)),
            Some(_) if !at_store && self.is_large(&seen.path) => {
                let place = format!("Location: {}/{name}", self.store.lock().unwrap());
                head(&mut stream, 302, &[&place], Some(0))
            }
            Some(content) => send(&mut stream, content, seen.from, mishap),
        }
    }

    fn is_large(&self, path: &str) -> bool {
        [".gguf", ".safetensors"]
            .iter()
            .any(|end| path.ends_with(end))
    }

    fn listing(&self, mishap: Option<Mishap>) -> Value {
        let files = self.files.lock().unwrap();
        let siblings = files.iter().map(|(name, bytes)| {
            let hash = sha256(bytes);
            let mut sibling = json!({
                "rfilename": name, "size": bytes.len(), "blobId": &hash[..40],
            });
            if self.is_large(name) {
                sibling["lfs"] = json!({ "sha256": hash, "size": bytes.len(), "pointerSize": 130 });
            }
            sibling
        });
        let mut listing =
            json!({ "sha": COMMIT, "gated": false, "siblings": siblings.collect::<Value>() });
        if let Some(Mishap::Lists(Value::Object(words))) = mishap {
            listing.as_object_mut().unwrap().extend(words);
        }
        listing
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_request(stream: &TcpStream, at_store: bool) -> std::io::Result<Option<Seen>> {
    let lines = BufReader::new(stream.try_clone()?).lines();
    let lines: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let Some(path) = lines.first().and_then(|line| line.split(' ').nth(1)) else {
        return Ok(None);
    };
    let header = |name: &str| {
        lines.iter().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    };
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let range = header("range").and_then(|value| value.strip_prefix("bytes="));
    let from = range.and_then(|range| range.strip_suffix('-')?.parse().ok());
    Ok(Some(Seen {
        path: path.to_owned(),
        token: bearer.map(str::to_owned),
        from: from.unwrap_or(0),
        at_store,
    }))
}

fn send(
    stream: &mut TcpStream,
    mut content: Vec<u8>,
    from: usize,
    mishap: Option<Mishap>,
) -> std::io::Result<()> {
    let (mut from, mut ends, mut says_length) = (from, None, true);
    let stalls = matches!(mishap, Some(Mishap::StallsAfter(_)));
    match mishap {
        Some(Mishap::BreaksOffAfter(bytes) | Mishap::StallsAfter(bytes)) => ends = Some(bytes),
        Some(Mishap::OtherBytes) => content.iter_mut().for_each(|byte| *byte ^= 1),
        Some(Mishap::Has(bytes)) => content.resize(bytes, 0),
        Some(Mishap::GoesOnFor(bytes)) => {
            content.resize(content.len() + bytes, 0);
            says_length = false;
        }
        Some(Mishap::Whole) => from = 0,
        Some(Mishap::StartsEarlier) => from -= 1,
        _ => {}
    }
    let all = content.len();
    if from > 0 && from >= all {
        let line = format!("Content-Range: bytes */{all}");
        return head(stream, 416, &[&line], Some(0));
    }
    let body = &content[from..];
    let length = says_length.then_some(body.len());
    if from > 0 {
        let line = format!("Content-Range: bytes {from}-{}/{all}", all - 1);
        head(stream, 206, &[&line], length)?;
    } else {
        head(stream, 200, &[], length)?;
    }
    stream.write_all(&body[..ends.unwrap_or(body.len()).min(body.len())])?;
    if stalls {
        thread::sleep(Duration::from_secs(60));
    }
    Ok(())
}

fn head(
    stream: &mut TcpStream,
    status: u16,
    lines: &[&str],
    length: Option<usize>,
) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\n");
    if let Some(length) = length {
        text += &format!("Content-Length: {length}\r\n");
    }
    for line in lines.iter().filter(|line| !line.is_empty()) {
        text += &format!("{line}\r\n");
    }
    stream.write_all(format!("{text}\r\n").as_bytes())
}
