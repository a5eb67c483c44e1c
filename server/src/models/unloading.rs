//! Models leave memory when their time is over.

use std::sync::{Arc, Weak};

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::Models;

/// Unloads models whose time is over, as long as there are any.
pub(super) async fn unload_unused(models: Weak<Models>, mut changed: watch::Receiver<()>) {
    loop {
        let next = {
            let Some(models) = models.upgrade() else {
                return;
            };
            let (leaving, next) = models.room().expire(Instant::now());
            for model in leaving {
                let models = Arc::downgrade(&models);
                tracing::info!(
                    "`{}` is unloaded: nobody asked it for a while",
                    model.info().id
                );
                // An engine ends its threads when it is dropped.
                spawn_blocking(move || {
                    drop(model);
                    if let Some(models) = models.upgrade() {
                        models.room().has_left();
                    }
                });
            }
            next
        };
        let time_is_over = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            is_there = changed.changed() => {
                if is_there.is_err() {
                    return;
                }
            }
            () = time_is_over => {}
        }
    }
}
