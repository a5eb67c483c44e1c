//! Jinja as Hugging Face's templates expect it: jinja2 as `transformers` sets it up, which is Python through and through.
//!
//! The template engine is near to that. Where it differs, its filters, tests, methods, operators and the writing of values
//! are replaced; what cannot be had is refused. `tests/fixtures/template_fragments.py` says what is what.

mod escapes;
mod filters;
mod lazy;
mod methods;
mod nesting;
mod operators;
mod predicates;
mod python;
mod weight;

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use minijinja::machinery::{CodeGenerator, Instructions, eval, make_string_output, parse};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State};

pub(super) use self::lazy::Lazy;
use self::methods::python_method;
use self::weight::charge;
use super::json::to_json;
use super::scopes::with_scopes;

/// Bounds a rendering to this many steps, and what it builds to 64 times as many bytes: 32 MB, a few copies of the
/// longest conversation that a context holds.
const FUEL: u64 = 500_000;
/// For what goes by recursion: reading, compiling and freeing what [`nesting`] lets through, and writing, comparing and
/// freeing what [`weight`] does. The deepest of both takes 3 MiB in a build that is not optimised; the rest is for tools
/// that make frames larger, as AddressSanitizer does.
pub(super) const STACK_BYTES: usize = 16 << 20;
/// What is written at once may be long although its parts are few, because a list may hold another one twice, and so on.
const MAX_WRITTEN_BYTES: usize = 4 << 20;

/// The most items that a function goes through at once: more steps than these a template does not have.
const MAX_ITEMS: usize = FUEL as usize;
/// What going through an item costs, in bytes of text that are copied.
const ITEM_BYTES: usize = 16;
/// After this long a rendering is given up. [`FUEL`] is used up in a second or two, on a machine that has time for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// [`PATIENCE`] passes in steps of this length. While the whole process is suspended no more than one of them does.
const TICK: Duration = Duration::from_millis(100);
/// The longest format of a date, each part of which may be padded.
const MAX_DATE_BYTES: usize = 256;
const NAME: &str = "chat template";

/// A template that compiles.
#[derive(Debug)]
pub(super) struct Template {
    source: Arc<str>,
    environment: Arc<Environment<'static>>,
    /// The renderings that were given up, as long as they run. Their threads cannot be ended, so there shall be no others.
    given_up: Mutex<Vec<Weak<Running>>>,
    patience: Duration,
    stack_bytes: usize,
}

/// Lives as long as the thread of a rendering.
#[derive(Debug)]
struct Running;

/// Why there is no template, or no text of one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The system gives no thread now.
    #[error("cannot start a thread: {0}")]
    NoThread(io::Error),
    /// The template is to blame, or what it was given.
    #[error("{0}")]
    Template(String),
}

impl Template {
    pub(super) fn compile(source: String) -> Result<Self, Failure> {
        let (receiver, _) = spawn(STACK_BYTES, move || {
            checked(source).map_err(|why| why.to_string())
        })?;
        let checked = receiver.recv().unwrap_or_else(|_| Err(broken()));
        let (source, syntax) = checked.map_err(Failure::Template)?;
        Ok(Self {
            source: source.into(),
            environment: Arc::new(environment(syntax)),
            given_up: Mutex::default(),
            patience: PATIENCE,
            stack_bytes: STACK_BYTES,
        })
    }

    /// Renders the template under all limits, or says why not.
    pub(super) fn render(&self, values: Value) -> Result<String, Failure> {
        if self.is_stuck() {
            let reason = "an earlier conversation is still being laid out";
            return Err(Failure::Template(reason.to_owned()));
        }
        let (source, environment) = (Arc::clone(&self.source), Arc::clone(&self.environment));
        let render = move || rendered(&source, &environment, values);
        let (receiver, running) = spawn(self.stack_bytes, render)?;
        let rendered = receive(&receiver, self.patience).unwrap_or_else(|why| {
            Err(match why {
                RecvTimeoutError::Disconnected => broken(),
                RecvTimeoutError::Timeout => {
                    self.given_up().push(running);
                    let seconds = self.patience.as_secs_f64();
                    format!("it did not come to an end within {seconds} s")
                }
            })
        });
        rendered.map_err(Failure::Template)
    }

    /// Renders the template on this thread, whose stack must be enough, and waits for it however long it takes.
    #[cfg(test)]
    pub(super) fn render_here(&self, values: Value) -> Result<String, String> {
        rendered(&self.source, &self.environment, values)
    }

    /// Has the system refuse threads.
    #[cfg(test)]
    pub(super) fn ask_for_too_large_a_stack(&mut self) {
        self.stack_bytes = 1 << 60;
    }

    /// Whether a rendering that was given up still runs.
    fn is_stuck(&self) -> bool {
        let mut given_up = self.given_up();
        given_up.retain(|rendering| rendering.strong_count() > 0);
        !given_up.is_empty()
    }

    fn given_up(&self) -> MutexGuard<'_, Vec<Weak<Running>>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works on a thread that has a stack of its own, and lives as long as what is behind the second part.
fn spawn<T: Send + 'static>(
    stack_bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<(Receiver<T>, Weak<Running>), Failure> {
    let running = Arc::new(Running);
    let alive = Arc::downgrade(&running);
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("template".into())
        .stack_size(stack_bytes)
        .spawn(move || {
            // Nobody waits for what was given up.
            drop(sender.send(work()));
            drop(running);
        })
        .map_err(Failure::NoThread)?;
    Ok((receiver, alive))
}

/// Waits for as long as `patience`, in time that this process runs.
fn receive<T>(receiver: &Receiver<T>, patience: Duration) -> Result<T, RecvTimeoutError> {
    let mut left = patience;
    loop {
        let tick = TICK.min(left);
        match receiver.recv_timeout(tick) {
            Err(RecvTimeoutError::Timeout) if left > tick => left -= tick,
            outcome => return outcome,
        }
    }
}

fn environment(syntax: SyntaxConfig) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    // Or an error describes every value in reach, however large.
    environment.set_debug(false);
    environment.set_syntax(syntax);
    environment.set_unknown_method_callback(python_method);
    environment.set_formatter(|out, state, value| {
        let escapes = *state.auto_escape() != AutoEscape::None;
        match value.as_str() {
            _ if escapes => {
                Ok(out.write_str(&python::text_of(state, &filters::escape(state, value)?)?)?)
            }
            Some(text) => Ok(out.write_str(text)?),
            None => Ok(out.write_str(&python::text_of(state, value)?)?),
        }
    });
    operators::add_operators(&mut environment);
    weight::add_weighing(&mut environment);
    filters::add_filters(&mut environment);
    predicates::add_tests(&mut environment);
    environment.add_filter("tojson", to_json);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment
}

/// The source as the template engine is to read it, which it then does for once.
fn checked(source: String) -> Result<(String, SyntaxConfig), Error> {
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    nesting::check(&source, syntax.clone())?;
    let source = escapes::as_python_reads_them(source, syntax.clone())?;
    let source = with_scopes(source, syntax.clone())?;
    compiled(&source, &syntax)?;
    Ok((source, syntax))
}

/// Instructions, and those of its blocks.
type Compiled<'s> = (Instructions<'s>, BTreeMap<&'s str, Instructions<'s>>);

fn compiled<'s>(source: &'s str, syntax: &SyntaxConfig) -> Result<Compiled<'s>, Error> {
    let template = parse(source, NAME, syntax.clone())?;
    let mut code = CodeGenerator::new(NAME, source);
    code.compile_stmt(&template);
    let (instructions, blocks) = code.finish();
    Ok((operators::in_pythons_way(&instructions), blocks))
}

fn rendered(
    source: &str,
    environment: &Environment<'static>,
    values: Value,
) -> Result<String, String> {
    let (instructions, blocks) = compiled(source, environment.syntax()).map_err(why)?;
    let mut text = String::new();
    let mut out = make_string_output(&mut text);
    let done = eval(
        environment,
        &instructions,
        values,
        &blocks,
        &mut out,
        AutoEscape::None,
    );
    done.map(drop).map_err(why)?;
    match text.len() > MAX_WRITTEN_BYTES {
        true => Err(format!(
            "a template writes at most {MAX_WRITTEN_BYTES} bytes, found {}",
            text.len()
        )),
        false => Ok(text),
    }
}

/// What the template says itself where it raised the error, else what the engine says. Not the error itself: it may hold
/// the template's values, and they have to be freed on the thread that has the stack for it.
fn why(error: Error) -> String {
    if error.kind() == ErrorKind::OutOfFuel {
        let bytes = 64 * FUEL;
        return format!("it takes more than {FUEL} steps, or builds more than {bytes} bytes");
    }
    let source = std::error::Error::source(&error).map(ToString::to_string);
    let detail = error.detail().map(str::to_owned);
    source.or(detail).unwrap_or_else(|| error.to_string())
}

fn broken() -> String {
    "the template engine failed".to_owned()
}

fn items_of(state: &State<'_, '_>, value: &Value) -> Result<Vec<Value>, Error> {
    collected(state, value.try_iter()?)
}

/// Items of a list that may be longer than memory.
fn collected(
    state: &State<'_, '_>,
    items: impl Iterator<Item = Value>,
) -> Result<Vec<Value>, Error> {
    let items: Vec<Value> = items.take(MAX_ITEMS + 1).collect();
    charge(state, ITEM_BYTES * items.len())?;
    match items.len() > MAX_ITEMS {
        true => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("a list has at most {MAX_ITEMS} items"),
        )),
        false => Ok(items),
    }
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime_now(format: &str) -> Result<String, Error> {
    if format.len() > MAX_DATE_BYTES {
        let found = format.len();
        let reason = format!("a date's format has at most {MAX_DATE_BYTES} bytes, found {found}");
        return Err(Error::new(ErrorKind::InvalidOperation, reason));
    }
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

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use minijinja::context;

    use super::*;

    /// Takes most of its fuel, and so some milliseconds.
    const SLOW: &str = "{% for i in range(steps) %}{% endfor %}";
    const STEPS: usize = 60_000;

    #[test]
    fn a_rendering_that_was_given_up_stands_in_the_way_only_until_it_ends() {
        let mut template = Template::compile(SLOW.to_owned()).unwrap();
        template.patience = Duration::from_millis(1);
        let why = template.render(context! { steps => STEPS }).unwrap_err();
        assert!(why.to_string().contains("within 0.001 s"), "{why}");
        template.patience = PATIENCE;
        let begun = Instant::now();
        while template.is_stuck() {
            assert!(begun.elapsed() < Duration::from_secs(60));
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(template.render(context! { steps => 0 }).unwrap(), "");
    }

    #[test]
    fn while_one_that_was_given_up_runs_there_is_no_other() {
        let template = Template::compile(SLOW.to_owned()).unwrap();
        let running = Arc::new(Running);
        template.given_up().push(Arc::downgrade(&running));
        let why = template.render(context! { steps => 0 }).unwrap_err();
        assert!(why.to_string().contains("still being laid out"), "{why}");
        drop(running);
        assert_eq!(template.render(context! { steps => 0 }).unwrap(), "");
    }

    /// Is run by the next test, which suspends it.
    #[test]
    #[ignore = "takes a second, and only shows something when it is suspended meanwhile"]
    fn what_takes_a_second_is_waited_for() {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            // Each sleep may end while the process is suspended; the next one begins behind it.
            for _ in 0..50 {
                thread::sleep(Duration::from_millis(20));
            }
            sender.send(()).unwrap();
        });
        println!("begins");
        receive(&receiver, Duration::from_secs(3)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn time_that_the_process_is_suspended_does_not_count() {
        use std::io::{BufRead, BufReader};

        let name = "text::prompt::jinja::tests::what_takes_a_second_is_waited_for";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", name])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("begins")));
        let signal = |name: &str| {
            let id = child.id();
            let sent = Command::new("sh")
                .args(["-c", &format!("kill -{name} {id}")])
                .status();
            assert!(sent.unwrap().success());
        };
        signal("STOP");
        thread::sleep(Duration::from_secs(4));
        signal("CONT");
        // Nobody may write into a pipe that is not read.
        said.for_each(drop);
        assert!(child.wait().unwrap().success());
    }
}
