//! SIGTERM and Ctrl-C, heard by a thread of their own from before the model is loaded: in a container nothing else would end
//! the program then, and later the threads that serve may be busy.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What still computes when the server has ended gets until so long after the grace; then it is abandoned.
const LAST: Duration = Duration::from_secs(4);

/// Where the first signal goes once there is a server to end.
#[derive(Clone, Default)]
pub(super) struct Shutdown(Arc<Mutex<Option<oneshot::Sender<()>>>>);

impl Shutdown {
    /// From now on the first signal makes `self` ready instead of ending the program.
    pub(super) fn asked(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    fn ask(&self) -> bool {
        let mut server = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        server.take().is_some_and(|server| server.send(()).is_ok())
    }
}

/// Begins to listen. The first signal ends the server within `grace`, and the program at once where there is no server yet;
/// the second ends the program at once.
pub(super) fn heard(grace: Duration) -> anyhow::Result<Shutdown> {
    let shutdown = Shutdown::default();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    let asked = shutdown.clone();
    let listen = async move {
        signals.next().await;
        if !asked.ask() {
            tracing::info!("ending before the model is loaded");
            process::exit(0);
        }
        let seconds = grace.as_secs_f64();
        tracing::info!("ending within {seconds} s; once more ends at once");
        match timeout(grace + LAST, signals.next()).await {
            Ok(code) => process::exit(code),
            Err(_) => {
                tracing::warn!("what still computes is abandoned");
                process::exit(0);
            }
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(listen))
        .context("cannot start a thread")?;
    Ok(shutdown)
}

/// Does `work` in a task of the runtime whenever SIGHUP comes, which else ends the program.
#[cfg(unix)]
pub(super) fn on_hangup(work: impl Fn() + Send + 'static) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            work();
        }
    });
    Ok(())
}

/// There is no such signal.
#[cfg(not(unix))]
pub(super) fn on_hangup(_: impl Fn() + Send + 'static) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The exit code of a program that the next signal ends, as shells count: 128 and the signal's number.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        // Without a handler the system ends the program itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        130
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};
    use tokio::sync::mpsc;

    use super::on_hangup;

    #[tokio::test]
    async fn a_hangup_is_heard_again_and_again() {
        let (sender, mut heard) = mpsc::unbounded_channel();
        on_hangup(move || sender.send(()).unwrap()).unwrap();
        for _ in 0..2 {
            kill_process(getpid(), Signal::HUP).unwrap();
            heard.recv().await.unwrap();
        }
    }
}
