//! The program as a person starts it, with a tiny random model: what it prints, where, and how it exits.

#![expect(
    clippy::unwrap_used,
    reason = "what keeps a test from asking fails it, in its shared parts too"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

const MODEL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../engine/tests/fixtures/tiny.gguf"
);

fn nibble(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nibble"));
    command.args(words).env("NIBBLE_MODEL", MODEL);
    command.env("NIBBLE_DATABASE", "memory");
    for name in [
        "NIBBLE_ADDR",
        "NIBBLE_GRACE",
        "NIBBLE_LOG",
        "NIBBLE_PASSWORD_FILE",
        "NIBBLE_THREADS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ] {
        command.env_remove(name);
    }
    command
}

fn run(words: &[&str]) -> Output {
    nibble(words).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Waits for the end, but not for ever.
fn ended(child: &mut Child, limit: Duration) -> Option<i32> {
    let started = Instant::now();
    while started.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    panic!("still running after {limit:?}");
}

#[test]
fn tokenize_prints_ids_as_json_or_as_words() {
    let json = run(&["tokenize", "--text", "Hello", "--json"]);
    assert!(json.status.success());
    let ids: Vec<u32> = serde_json::from_slice(&json.stdout).unwrap();
    assert!(!ids.is_empty());
    let words = text(&run(&["tokenize", "--text", "Hello"]).stdout);
    let words: Vec<u32> = words
        .split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect();
    assert_eq!(words, ids);
}

#[test]
fn generate_prints_one_json_object_that_a_seed_repeats() {
    let words = [
        "generate",
        "--prompt",
        "Hello",
        "--temperature",
        "1",
        "--seed",
        "7",
        "--max-tokens",
        "5",
        "--json",
    ];
    let object = |output: Output| -> Value {
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let first = object(run(&words));
    let second = object(run(&words));
    assert_eq!(first["token_ids"], second["token_ids"]);
    assert_eq!(first["text"], second["text"]);
    assert_eq!(
        first["completion_tokens"],
        first["token_ids"].as_array().unwrap().len()
    );
    assert!(first["prompt_tokens"].as_u64().unwrap() > 0);
    assert!(["stop", "length"].contains(&first["finish_reason"].as_str().unwrap()));
    assert!(first["metrics"]["total_s"].as_f64().unwrap() > 0.0);
    assert!(first["metrics"]["kernel"].is_string());
}

/// A model that always thinks before it answers, unless told not to.
const THINKER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../engine/tests/fixtures/thinker.gguf"
);

#[test]
fn a_thought_is_shown_apart_from_the_text() {
    let generate = |options: &[&str]| {
        let words = [
            &["generate", "--model", THINKER, "--prompt", "Coffee?"],
            options,
        ]
        .concat();
        let output = run(&words);
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let (stdout, stderr) = generate(&[]);
    assert_eq!(stdout, "Fine then.\n");
    assert!(stderr.contains("Hm, café?\n\n"), "{stderr}");
    assert!(stderr.contains("thought 7 tokens in "), "{stderr}");
    let (stdout, stderr) = generate(&["--no-thinking"]);
    assert_eq!(stdout, "Fine then.\n");
    assert!(!stderr.contains("Hm"), "{stderr}");
    let (stdout, stderr) = generate(&["--thinking-budget", "3"]);
    assert_eq!(stdout, "Fine then.\n");
    assert!(stderr.contains("Hm, caf\n\n"), "{stderr}");
    let (stdout, stderr) = generate(&["--json"]);
    let object: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&object["thought"], &object["text"]),
        (&"Hm, café?".into(), &"Fine then.".into())
    );
    assert!(!stderr.contains("Hm"), "{stderr}");
}

#[test]
fn generate_keeps_figures_out_of_the_text() {
    let output = run(&[
        "generate",
        "--prompt",
        "Hello",
        "--raw",
        "--temperature",
        "0",
        "--max-tokens",
        "5",
    ]);
    assert!(output.status.success());
    assert!(!text(&output.stdout).contains("total "));
    assert!(text(&output.stderr).contains("total "));
}

#[test]
fn wrong_use_exits_with_2_and_failure_with_1() {
    assert_eq!(run(&["generate"]).status.code(), Some(2));
    assert_eq!(run(&["--threads", "none"]).status.code(), Some(2));
    let output = run(&["tokenize", "--text", "x", "--model", "no-such.gguf"]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("`no-such.gguf`"), "{message}");
    assert_eq!(message.matches("No such file").count(), 1, "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = nibble(&["generate", "--prompt", "Hello", "--max-tokens", "20"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(ended(&mut child, Duration::from_secs(60)), Some(0));
    let mut message = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut message)
        .unwrap();
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn chat_answers_the_lines_of_a_pipe() {
    let mut child = nibble(&["chat", "--max-tokens", "5", "--temperature", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"Hello\n\n/reset\nHello\n/exit\nnever asked\n")
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let figures = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{figures}");
    assert_eq!(figures.matches("total ").count(), 2, "{figures}");
    assert!(figures.contains("a new conversation"), "{figures}");
}

/// A server that ends with the test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(environment: &[(&str, &str)]) -> Self {
        let mut child = nibble(&["serve", "--addr", "127.0.0.1:0"])
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let (_, address) = line.trim().rsplit_once("http://").unwrap();
        Self {
            child,
            address: address.to_owned(),
        }
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        connection
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, as a test asked it to.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn serve_is_healthy_when_it_says_so() {
    let server = Server::start();
    let mut response = String::new();
    server
        .send("GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .read_to_string(&mut response)
        .unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
    assert!(response.contains(r#""status":"ok""#), "{response}");
}

#[test]
fn a_busy_port_fails_at_once_in_one_line() {
    let server = Server::start();
    let output = run(&["serve", "--addr", &server.address]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains(&server.address), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn health_exits_with_0_where_a_server_is_well_and_with_1_where_none_is() {
    let server = Server::start();
    let well = run(&["health", "--addr", &server.address]);
    assert_eq!(well.status.code(), Some(0), "{}", text(&well.stderr));
    assert_eq!(text(&well.stdout), "ok: tiny\n");
    let address = server.address.clone();
    drop(server);
    let gone = run(&["health", "--addr", &address]);
    assert_eq!(gone.status.code(), Some(1));
    let message = text(&gone.stderr);
    assert!(message.contains(&address), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn health_waits_no_longer_than_its_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let started = Instant::now();
    let output = run(&["health", "--addr", &address, "--timeout", "0.3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_cache_that_cannot_be_written_fails_at_once_in_one_line() {
    let file = format!("{MODEL}/cache");
    let output = nibble(&["tokenize", "--text", "x"])
        .env("NIBBLE_MODEL", "")
        .env("NIBBLE_HOME", &file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(
        message.contains(&format!("cannot create `{file}`")),
        "{message}"
    );
    assert_eq!(message.matches("os error").count(), 1, "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[cfg(unix)]
fn signal(server: &Server, signal: &str) {
    let id = server.child.id().to_string();
    let killed = Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(killed.success());
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_the_server_at_once() {
    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let mut server = Server::start();
        // A request whose body does not come holds the end up.
        let _open = server.send(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
        );
        thread::sleep(Duration::from_millis(200));
        signal(&server, name);
        thread::sleep(Duration::from_millis(200));
        assert!(server.child.try_wait().unwrap().is_none());
        signal(&server, name);
        assert_eq!(ended(&mut server.child, Duration::from_secs(1)), Some(code));
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_server_in_peace() {
    for name in ["-TERM", "-INT"] {
        let mut server = Server::start();
        signal(&server, name);
        let code = ended(&mut server.child, Duration::from_secs(10));
        assert_eq!(code, Some(0), "{name}");
    }
}

/// A collector of traces: where it listens, and the path and the body that it gets.
#[cfg(unix)]
fn collector() -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = mpsc::channel();
    thread::spawn(move || {
        let mut connection = BufReader::new(listener.accept().unwrap().0);
        let mut lines = connection.by_ref().lines().map(Result::unwrap);
        let head: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let length = head.iter().find_map(|line| {
            let line = line.to_ascii_lowercase();
            line.strip_prefix("content-length: ")?.parse().ok()
        });
        let mut body = vec![0; length.unwrap()];
        connection.read_exact(&mut body).unwrap();
        let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        connection.get_mut().write_all(reply).unwrap();
        sender.send((head[0].clone(), body)).unwrap();
    });
    (address, received)
}

#[cfg(unix)]
#[test]
fn traces_go_to_the_collector_that_the_environment_names_at_the_latest_when_the_server_ends() {
    let (endpoint, received) = collector();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("NO_PROXY", "127.0.0.1"),
    ];
    let mut server = Server::start_with(&environment);
    let body = r#"{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3}"#;
    let mut reply = String::new();
    server
        .send(&format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             traceparent: 00-11111111111111111111111111111111-2222222222222222-01\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .read_to_string(&mut reply)
        .unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    signal(&server, "-TERM");
    let code = ended(&mut server.child, Duration::from_secs(10));
    assert_eq!(code, Some(0));
    let (request, body) = received.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(request, "POST /v1/traces HTTP/1.1");
    let holds = |bytes: &[u8]| body.windows(bytes.len()).any(|window| window == bytes);
    for name in ["nibble", "chat tiny", "waiting", "prefill", "decode"] {
        assert!(holds(name.as_bytes()), "no `{name}`");
    }
    assert!(holds(&[0x11; 16]) && holds(&[0x22; 8]));
}

#[test]
fn a_collector_at_no_address_fails_at_once_in_one_line() {
    let output = nibble(&["serve", "--addr", "127.0.0.1:0"])
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "no address")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("cannot send traces"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn a_password_that_cannot_be_used_is_named_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short");
    std::fs::write(&short, "short\n").unwrap();
    let gone = folder.path().join("gone");
    for (file, reason) in [
        (&short, "a password must have 8 to 1024 bytes, found 5"),
        (&gone, "No such file or directory"),
    ] {
        let file = file.to_str().unwrap();
        let output = run(&["serve", "--addr", "127.0.0.1:0", "--password-file", file]);
        assert_eq!(output.status.code(), Some(1));
        let told = text(&output.stderr);
        assert!(
            told.contains(&format!("the password in `{file}`")),
            "{told}"
        );
        assert!(told.contains(reason), "{told}");
    }
}

#[test]
fn the_doctor_says_what_it_finds_and_exits_by_it() {
    let found = run(&["doctor", "--json", "--threads", "1"]);
    let json: Value = serde_json::from_slice(&found.stdout).unwrap();
    let findings = json["findings"].as_array().unwrap();
    for about in ["Kernel", "Threads", "Reading memory"] {
        let is_there = findings.iter().any(|finding| finding["about"] == about);
        assert!(is_there, "no {about} in {json}");
    }
    let mut memory = findings
        .iter()
        .filter(|finding| finding["about"] == "Free memory");
    let needs = memory.next().unwrap()["found"].as_str().unwrap();
    assert!(needs.contains(&format!("; {MODEL} needs ")), "{needs}");
    let advised = findings.iter().any(|finding| !finding["advice"].is_null());
    assert_eq!(found.status.code(), Some(i32::from(advised)), "{json}");
    let unknown = run(&["doctor", "--kernel", "abacus"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("`abacus`"));
}
