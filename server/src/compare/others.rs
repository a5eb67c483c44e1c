//! What else the machine works on when it is to be measured: answers, and a model that is fetched.

use std::future::pending;

use tokio::sync::watch;

use crate::management::Fetch;
use crate::metered::Metered;

/// What goes first, and disturbs what is measured beside it.
pub(crate) struct Others {
    /// Any model: all of a server know of the answers of all.
    model: Metered,
    /// Nothing where none can be fetched.
    fetch: Option<watch::Receiver<Option<Fetch>>>,
}

impl Others {
    pub(crate) fn new(model: Metered, fetch: Option<watch::Receiver<Option<Fetch>>>) -> Self {
        Self { model, fetch }
    }

    /// Whether there are none.
    pub(crate) fn are_idle(&self) -> bool {
        let fetch = self.fetch.as_ref();
        self.model.is_idle() && !fetch.is_some_and(|fetch| runs(&fetch.borrow()))
    }

    /// Ready when there are none.
    pub(super) async fn all_ended(&self) {
        while !self.are_idle() {
            self.model.all_ended().await;
            if let Some(fetch) = &self.fetch {
                // The thread that fetches holds the sender.
                let _ = fetch.clone().wait_for(|fetch| !runs(fetch)).await;
            }
        }
    }

    /// Ready when there are some.
    pub(super) async fn begin(&self) {
        tokio::select! {
            () = self.model.is_asked() => {}
            () = self.fetch_begins() => {}
        }
    }

    async fn fetch_begins(&self) {
        let has_begun = match &self.fetch {
            Some(fetch) => fetch.clone().wait_for(runs).await.is_ok(),
            None => false,
        };
        if !has_begun {
            // None will any more.
            pending().await
        }
    }
}

fn runs(fetch: &Option<Fetch>) -> bool {
    fetch.as_ref().is_some_and(Fetch::runs)
}
