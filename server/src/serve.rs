//! Serving a listener until its owner says stop.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::router;
use crate::state::AppState;

/// What is left to send after the last answer has ended gets this long.
const FLUSH: Duration = Duration::from_secs(2);

/// How often it is asked whether the model still runs.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Answers requests until `shutdown` is ready. Open answers may then go on for [`crate::state::Settings::grace`]; those
/// that are not complete by then are cut off and marked so. Whoever comes meanwhile is answered, and refused: a closed
/// port would tell a balancer nothing.
///
/// # Errors
/// What keeps the listener from accepting, and that the model has stopped.
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
    let routes = router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let model = state.model.clone();
    let server = axum::serve(listener, routes).with_graceful_shutdown(async move {
        shutdown.await;
        model.refuse_from_now_on();
        let _ = began.send(());
        model.all_ended().await;
    });
    let complete = async {
        server.await?;
        // The page's answers go on without a connection.
        state.model.all_ended().await;
        Ok(())
    };
    let out_of_time = async {
        let _ = ending.await;
        let grace = state.settings.grace;
        if tokio::time::timeout(grace, state.model.all_ended())
            .await
            .is_err()
        {
            tracing::warn!("open answers are cut off after {} s", grace.as_secs_f64());
            state.model.cut_off();
            let _ = tokio::time::timeout(FLUSH, state.model.all_ended()).await;
        }
        tokio::time::sleep(FLUSH).await;
    };
    let stopped = async {
        while state.model.is_alive() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        // Whoever waited has been told; whoever starts the program anew should.
        tokio::time::sleep(FLUSH).await;
        Err(io::Error::other("the model has stopped"))
    };
    tokio::select! {
        result = complete => result,
        () = out_of_time => Ok(()),
        result = stopped => result,
    }
}

#[cfg(test)]
mod tests;
