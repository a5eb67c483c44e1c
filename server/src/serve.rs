//! Serving a listener until its owner says stop.

use std::io;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::router;
use crate::state::AppState;

/// Open answers get this long to end after `shutdown`; container runtimes kill after ten seconds.
const GRACE: Duration = Duration::from_secs(5);

/// Answers requests until `shutdown` is ready, then stops the page's answers and lets API clients have theirs, all
/// for five seconds at most.
///
/// # Errors
/// What keeps the listener from accepting.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        // Tokens are small packets that must not wait for each other.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot turn off Nagle's algorithm");
        }
    });
    let (began, ending) = oneshot::channel();
    let routes = router(state.clone());
    let server = axum::serve(listener, routes).with_graceful_shutdown(async move {
        shutdown.await;
        state.stop_answers();
        let _ = began.send(());
    });
    let out_of_time = async {
        let _ = ending.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server => result,
        () = out_of_time => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use nibble_engine::AnswerSender;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::held::Held;
    use crate::state::Settings;

    struct Running {
        generator: Arc<Held>,
        address: SocketAddr,
        shutdown: oneshot::Sender<()>,
        server: JoinHandle<io::Result<()>>,
    }

    async fn start() -> Running {
        let generator = Arc::new(Held::default());
        let settings = Settings {
            usd_per_hour: 1.0,
            allowed_hosts: Vec::new(),
        };
        let state = AppState::new(generator.clone(), settings);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, asked) = oneshot::channel();
        let server = tokio::spawn(serve(listener, state, async {
            let _ = asked.await;
        }));
        Running {
            generator,
            address,
            shutdown,
            server,
        }
    }

    impl Running {
        async fn ask(&self, fields: &str) -> (TcpStream, AnswerSender) {
            let mut connection = TcpStream::connect(self.address).await.unwrap();
            let body = format!(r#"{{"messages": [{{"role": "user", "content": "Hi"}}]{fields}}}"#);
            let request = format!(
                "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            connection.write_all(request.as_bytes()).await.unwrap();
            loop {
                if let Some((_, sender)) = self.generator.take() {
                    return (connection, sender);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn becomes_abandoned(sender: &AnswerSender) -> bool {
        for _ in 0..1000 {
            if sender.is_abandoned() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_closed_connection_cancels_its_answer_streamed_or_not() {
        let running = start().await;
        for fields in ["", r#", "stream": true"#] {
            let (connection, sender) = running.ask(fields).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(!sender.is_abandoned());
            drop(connection);
            assert!(becomes_abandoned(&sender).await, "fields `{fields}`");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_answer_holds_the_end_up_only_for_the_grace() {
        let running = start().await;
        let (mut connection, _sender) = running.ask(r#", "stream": true"#).await;
        let mut start = [0; 12];
        connection.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        let asked = tokio::time::Instant::now();
        running.shutdown.send(()).unwrap();
        running.server.await.unwrap().unwrap();
        assert!(asked.elapsed() >= GRACE && asked.elapsed() < GRACE * 2);
    }

    #[tokio::test]
    async fn without_open_answers_the_end_comes_at_once() {
        let running = start().await;
        running.shutdown.send(()).unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(2), running.server).await;
        ended.unwrap().unwrap().unwrap();
    }
}
