//! Jinja as Hugging Face's templates expect it: Python's methods, its JSON, and a few functions and a tag of their own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, State};
use minijinja_contrib::pycompat;

use super::json::to_json;
use super::scopes::with_scopes;

/// Bounds a rendering to this many steps, and what it builds to 64 times as many bytes: 32 MB, a few copies of the
/// longest conversation that a context holds.
const FUEL: u64 = 500_000;
/// Lists in lists are freed by recursion: the deepest that [`FUEL`] pays for needs a tenth of this. Untouched stack
/// costs nothing.
const STACK_BYTES: usize = 256 << 20;
/// What is written at once may be long although its parts are few, because a list may hold another one twice, and so on.
const MAX_WRITTEN_BYTES: usize = 4 << 20;

/// After this long a rendering is given up. [`FUEL`] is used up in a second, but comparing lists that hold lists twice, and
/// so on, is one step and may take for ever.
const PATIENCE: Duration = Duration::from_secs(10);
const NAME: &str = "chat template";

/// A compiled template.
#[derive(Debug)]
pub(super) struct Template {
    environment: Arc<Environment<'static>>,
    /// Whether a rendering was given up. Its thread cannot be ended, so there shall be no second one.
    given_up: AtomicBool,
}

impl Template {
    pub(super) fn compile(source: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        // Or an error describes every value in reach, however large.
        environment.set_debug(false);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?;
        environment.set_syntax(syntax.clone());
        environment.set_unknown_method_callback(python_method);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_template_owned(NAME, with_scopes(source, syntax)?)?;
        Ok(Self {
            environment: Arc::new(environment),
            given_up: AtomicBool::new(false),
        })
    }

    /// Renders the template under all limits, or says why not.
    pub(super) fn render(&self, values: Value) -> Result<String, String> {
        let endless = || format!("it did not come to an end within {} s", PATIENCE.as_secs());
        if self.given_up.load(Ordering::Relaxed) {
            return Err(endless());
        }
        let environment = Arc::clone(&self.environment);
        let (sender, receiver) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("template".into())
            .stack_size(STACK_BYTES)
            // Nobody waits for what was given up.
            .spawn(move || drop(sender.send(rendered(&environment, values))))
            .map_err(|why| format!("no thread to render it on: {why}"))?;
        receiver.recv_timeout(PATIENCE).unwrap_or_else(|why| {
            Err(match why {
                RecvTimeoutError::Disconnected => "the template engine failed".to_owned(),
                RecvTimeoutError::Timeout => {
                    self.given_up.store(true, Ordering::Relaxed);
                    endless()
                }
            })
        })
    }
}

/// Not the error itself: it may hold the template's values, and they have to be freed on the thread with the large stack.
fn rendered(environment: &Environment<'static>, values: Value) -> Result<String, String> {
    let mut text = BoundedWriter::default();
    let rendered = environment
        .get_template(NAME)
        .and_then(|template| template.render_captured_to(values, &mut text).map(drop));
    rendered.map_err(|error| reason(&error))?;
    String::from_utf8(text.0).map_err(|why| why.to_string())
}

/// What the template says itself where it raised the error, else what the engine says.
fn reason(error: &Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let detail = error.detail().map(str::to_owned);
    source.or(detail).unwrap_or_else(|| error.to_string())
}

/// Python's methods; fuel is charged for their results, too late for one that multiplies.
fn python_method(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    if let ("replace", Some(text), [old, new, ..]) = (method, value.as_str(), arguments) {
        bound_replacement(text, old, new)?;
    }
    pycompat::unknown_method_callback(state, value, method, arguments)
}

fn bound_replacement(text: &str, old: &Value, new: &Value) -> Result<(), Error> {
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    let places = text.len() / length(old).max(1) + 1;
    if places.saturating_mul(length(new)) <= MAX_WRITTEN_BYTES {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidOperation,
        format!("`replace` writes at most {MAX_WRITTEN_BYTES} bytes"),
    ))
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime_now(format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, &jiff::Zoned::now())
        .map_err(|why| Error::new(ErrorKind::InvalidOperation, why.to_string()))
}

/// Text of at most [`MAX_WRITTEN_BYTES`].
#[derive(Default)]
pub(super) struct BoundedWriter(pub(super) Vec<u8>);

impl io::Write for BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_WRITTEN_BYTES {
            return Err(io::Error::other(format!(
                "a template writes at most {MAX_WRITTEN_BYTES} bytes"
            )));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
