//! Where connections come in: each gets a place and a task of its own, or hears at once that there is no place.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use nibble_engine::heap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::connection;
use super::places::Places;
use crate::error::ApiError;

/// So many are told at a time that there is no place; others find the door shut.
const REFUSALS: usize = 32;
/// How long it may take to tell one.
pub(super) const REFUSAL: Duration = Duration::from_secs(1);
/// How often it is looked whether a crowd has left.
const TIDY: Duration = Duration::from_secs(1);

pub(super) struct Door {
    router: Router,
    takes_http2: bool,
    places: Arc<Places>,
    closing: watch::Sender<bool>,
    refusals: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(router: Router, connections: usize, takes_http2: bool) -> Self {
        Self {
            router,
            takes_http2,
            places: Places::new(connections),
            closing: watch::Sender::default(),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
        }
    }

    /// Takes connections in for as long as it is asked to.
    pub(super) async fn open(&self, mut listener: TcpListener) {
        loop {
            // Which waits and tries again when the system gives none.
            let (stream, peer) = Listener::accept(&mut listener).await;
            match self.places.enter(peer.ip()).await {
                Some(place) => {
                    // Tokens are small packets that must not wait for each other.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "cannot turn off Nagle's algorithm");
                    }
                    let (router, closing) = (self.router.clone(), self.closing.subscribe());
                    let served =
                        connection::serve(stream, peer, router, place, closing, self.takes_http2);
                    tokio::spawn(served);
                }
                None => self.refuse(stream, peer),
            }
        }
    }

    fn refuse(&self, stream: TcpStream, peer: SocketAddr) {
        tracing::debug!(%peer, "there is no place for a connection");
        if let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
            tokio::spawn(async move {
                let _ = timeout(REFUSAL, turn_away(stream)).await;
                drop(permit);
            });
        }
    }

    /// Gives the memory of crowds back that have left, for as long as it is asked to.
    pub(super) async fn tidy(&self) {
        loop {
            tokio::time::sleep(TIDY).await;
            if self.places.a_crowd_has_left() {
                let thread = thread::Builder::new().name("tidy".into());
                if let Err(error) = thread.spawn(heap::give_back) {
                    tracing::debug!(%error, "memory is not given back");
                }
            }
        }
    }

    /// Lets open answers end and closes what idles; ready when all is closed.
    pub(super) async fn close(&self) {
        self.closing.send_replace(true);
        self.places.all_left().await;
    }
}

/// What is told where there is no place.
pub(super) fn full() -> ApiError {
    ApiError::unavailable(
        "all connections that this server takes are in use, and each waits for an answer; try again in a moment",
    )
}

/// Tells it, and reads to the end of what comes meanwhile, or the client's system would throw the answer away.
async fn turn_away(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(full().as_message().as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
