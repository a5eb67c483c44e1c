//! `nibble chat`: a conversation in the terminal.
//!
//! Lines are read on a thread of their own, since a terminal cannot be read without blocking, while this thread
//! follows the answer and Ctrl-C. The text goes to stdout, everything about it to stderr.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::thread;

use clap::Args;
use futures::StreamExt;
use nibble_engine::{
    Answer, Caller, Completion, Engine, Error, Event, Message, Prompt, Request, Role, Turn,
};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tokio::runtime;
use tokio::sync::oneshot;

use super::thought::Thought;
use super::{loading, metrics};
use crate::options::{AnswerArgs, ModelArgs, PriceArgs};

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// Instructions that hold for the whole conversation
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    system: Option<String>,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
    #[command(flatten)]
    price: PriceArgs,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// What a question came to.
enum Outcome {
    /// What was thought and said, and the end of it.
    Answered {
        thought: String,
        text: String,
        completion: Box<Completion>,
    },
    /// Nothing that the conversation should keep.
    Failed(Error),
    /// The person left in mid-answer.
    Left,
}

pub(super) fn run(args: &ChatArgs) -> anyhow::Result<()> {
    let engine = loading::engine(&args.model)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(converse(&engine, args));
    // A thread may still wait for a line that nobody will type.
    runtime.shutdown_background();
    result
}

async fn converse(engine: &Engine, args: &ChatArgs) -> anyhow::Result<()> {
    if io::stdin().is_terminal() {
        let name = &engine.info().name;
        writeln!(
            io::stderr(),
            "{name}. Ctrl-C stops an answer; /reset starts again; /exit leaves."
        )?;
    }
    let mut lines = Lines::new()?;
    let mut conversation = Conversation::new(engine, args);
    while let Some(line) = lines.next().await? {
        match line.trim() {
            "" => {}
            "/exit" => break,
            "/reset" => {
                conversation = Conversation::new(engine, args);
                writeln!(io::stderr(), "a new conversation")?;
            }
            _ => {
                if conversation.ask(line).await?.is_break() {
                    break;
                }
            }
        }
    }
    Ok(())
}

struct Conversation<'a> {
    engine: &'a Engine,
    args: &'a ChatArgs,
    turns: Vec<Turn>,
}

impl<'a> Conversation<'a> {
    fn new(engine: &'a Engine, args: &'a ChatArgs) -> Self {
        let system = args.system.clone();
        let system = system.map(|content| said(Role::System, content));
        Self {
            engine,
            args,
            turns: system.into_iter().collect(),
        }
    }

    /// Asks and answers; breaks when the person leaves in mid-answer.
    async fn ask(&mut self, question: String) -> io::Result<ControlFlow<()>> {
        self.turns.push(said(Role::User, question));
        let outcome = match self.engine.submit(self.request()) {
            Ok(answer) => follow(answer).await?,
            Err(error) => Outcome::Failed(error),
        };
        match outcome {
            Outcome::Answered {
                thought,
                text,
                completion,
            } => {
                self.turns.push(Turn::Answered {
                    thought,
                    content: text,
                    calls: Vec::new(),
                });
                writeln!(io::stderr(), "{}", metrics::line(&completion))?;
            }
            Outcome::Failed(error) => {
                self.turns.pop();
                writeln!(io::stderr(), "{error}; the question is forgotten")?;
            }
            Outcome::Left => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }

    fn request(&self) -> Request {
        Request {
            prompt: Prompt::Chat(self.turns.clone().into()),
            sampling: self.args.answer.sampling(self.engine.info().sampling),
            max_tokens: self.args.answer.max_tokens,
            thinking: self.args.answer.thinking(),
            constraint: None,
            stop: Vec::new(),
            usd_per_hour: self.args.price.usd_per_hour,
            caller: Caller::default(),
            ..Request::default()
        }
    }
}

fn said(role: Role, content: String) -> Turn {
    Turn::Said(Message { role, content })
}

/// Writes the answer as it comes. The first Ctrl-C stops it, the second leaves.
async fn follow(mut answer: Answer) -> io::Result<Outcome> {
    let (mut thought, mut text) = (Thought::shown(), String::new());
    let stopper = answer.stopper();
    let mut stdout = io::stdout();
    loop {
        let event = tokio::select! {
            event = answer.next() => event,
            interrupt = tokio::signal::ctrl_c() => {
                interrupt?;
                if stopper.is_stopped() {
                    return Ok(Outcome::Left);
                }
                stopper.stop();
                continue;
            }
        };
        match event {
            Some(
                Event::Queued { .. } | Event::Prefill { .. } | Event::Called(_) | Event::Learned(_),
            ) => {}
            Some(Event::Thought(piece)) => thought.push(&piece)?,
            Some(Event::Text(piece)) => {
                thought.end()?;
                stdout.write_all(piece.as_bytes())?;
                stdout.flush()?;
                text.push_str(&piece);
            }
            Some(Event::Finished(completion)) => {
                thought.end()?;
                writeln!(stdout)?;
                return Ok(Outcome::Answered {
                    thought: thought.into_text(),
                    text,
                    completion: Box::new(completion),
                });
            }
            Some(Event::Failed(error)) => {
                writeln!(stdout)?;
                return Ok(Outcome::Failed(error));
            }
            None => return Ok(Outcome::Failed(Error::Stopped)),
        }
    }
}

/// The lines that a person types, or those of a file or pipe.
struct Lines {
    /// Away while its thread reads.
    editor: Option<DefaultEditor>,
}

impl Lines {
    fn new() -> rustyline::Result<Self> {
        Ok(Self {
            editor: Some(DefaultEditor::new()?),
        })
    }

    /// The next line; `None` at the end of the input and after Ctrl-C.
    async fn next(&mut self) -> anyhow::Result<Option<String>> {
        let Some(mut editor) = self.editor.take() else {
            return Ok(None);
        };
        let (sender, line) = oneshot::channel();
        thread::spawn(move || {
            let line = editor.readline("> ");
            if let Ok(line) = &line {
                // History is a convenience: a line that it cannot hold is still a question.
                let _ = editor.add_history_entry(line);
            }
            let _ = sender.send((editor, line));
        });
        let (editor, line) = tokio::select! {
            line = line => line?,
            interrupt = tokio::signal::ctrl_c() => {
                interrupt?;
                return Ok(None);
            }
        };
        self.editor = Some(editor);
        match line {
            Ok(line) => Ok(Some(line)),
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
