//! Serving a listener until its owner says stop.

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::router;
use crate::state::AppState;

mod connection;
mod door;
mod line;
mod places;
mod pulse;
#[cfg(test)]
mod tests;

use door::Door;

/// What is left to send after the last answer has ended gets this long.
const FLUSH: Duration = Duration::from_secs(2);

/// How often it is asked whether the model still runs.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Answers requests until `shutdown` is ready. Open answers may then go on for [`crate::state::Settings::grace`]; those
/// that are not complete by then are cut off and marked so. Whoever comes meanwhile is answered, and refused: a closed
/// port would tell a balancer nothing.
///
/// # Errors
/// That the model has stopped.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let settings = &state.settings;
    let door = Door::new(router(state.clone()), settings.connections, settings.h2c);
    let ended = async {
        shutdown.await;
        let (model, grace) = (&state.model, state.settings.grace);
        model.refuse_from_now_on();
        state.chat.stop_fetching();
        if timeout(grace, model.all_ended()).await.is_err() {
            tracing::warn!("open answers are cut off after {} s", grace.as_secs_f64());
            model.cut_off();
        }
        let _ = timeout(FLUSH, async {
            // The page's answers go on without a connection.
            model.all_ended().await;
            state.chat.all_written().await;
            state.chat.all_compared().await;
            door.close().await;
            state.chat.all_fetched().await;
        })
        .await;
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
        () = door.open(listener) => Ok(()),
        () = door.tidy() => Ok(()),
        () = ended => Ok(()),
        result = stopped => result,
    }
}
