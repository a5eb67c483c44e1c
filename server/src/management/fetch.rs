//! A model on its way, and how fast it comes.

use std::time::{Duration, Instant};

use nibble_app::chat::Fetching;
use nibble_app::language::Told;
use tokio::sync::watch;

use crate::hub::{Cancel, HubName, Progress};

/// Speed is that of the last so long.
const PACE: Duration = Duration::from_secs(2);

/// A fetch, which may have ended.
#[derive(Clone, Debug)]
pub(crate) struct Fetch {
    pub(crate) shown: Fetching,
    pub(super) cancel: Cancel,
    /// When speed was computed last, and the bytes that were there.
    since: Option<(Instant, u64)>,
}

impl Fetch {
    pub(super) fn new(name: &HubName) -> Self {
        Self {
            shown: Fetching {
                id: rand::random(),
                name: name.to_string(),
                ..Fetching::default()
            },
            cancel: Cancel::default(),
            since: None,
        }
    }

    /// Whether it goes on.
    pub(crate) fn runs(&self) -> bool {
        self.shown.end.is_none()
    }

    fn begin(&mut self, what: &Told, total: Option<u64>) {
        self.shown.what = Some(what.clone());
        self.shown.bytes = 0;
        self.shown.total = total;
        self.shown.bytes_per_second = None;
        self.since = None;
    }

    fn advance(&mut self, bytes: u64, now: Instant) {
        self.shown.bytes = bytes;
        // What came earlier is there at once.
        let (since, before) = *self.since.get_or_insert((now, bytes));
        let time = now.duration_since(since);
        if time >= PACE {
            let arrived = bytes.saturating_sub(before);
            self.shown.bytes_per_second = Some(arrived as f64 / time.as_secs_f64());
            self.since = Some((now, bytes));
        }
    }
}

/// Changes what is shown of a fetch, while it is the one that goes on.
pub(super) fn update(
    fetch: &watch::Sender<Option<Fetch>>,
    id: u64,
    change: impl FnOnce(&mut Fetching),
) {
    with(fetch, id, |fetch| change(&mut fetch.shown));
}

fn with(fetch: &watch::Sender<Option<Fetch>>, id: u64, change: impl FnOnce(&mut Fetch)) {
    fetch.send_if_modified(|current| match current {
        Some(fetch) if fetch.shown.id == id && fetch.runs() => {
            change(fetch);
            true
        }
        _ => false,
    });
}

/// Tells those who watch a fetch how it goes.
pub(super) struct Reporter<'a> {
    pub(super) fetch: &'a watch::Sender<Option<Fetch>>,
    pub(super) id: u64,
}

impl Progress for Reporter<'_> {
    fn start(&self, what: &Told, total_bytes: Option<u64>) {
        with(self.fetch, self.id, |fetch| fetch.begin(what, total_bytes));
    }

    fn advance(&self, bytes_so_far: u64) {
        let now = Instant::now();
        with(self.fetch, self.id, |fetch| {
            fetch.advance(bytes_so_far, now)
        });
    }

    fn finish(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_that_of_what_comes_and_not_of_what_was_there() {
        let name = HubName::parse("owner/name").unwrap();
        let mut fetch = Fetch::new(&name);
        fetch.begin(&Told::detail("a file"), Some(1000));
        let start = Instant::now();
        fetch.advance(500, start);
        assert_eq!(fetch.shown.bytes_per_second, None);
        fetch.advance(700, start + PACE);
        assert_eq!(fetch.shown.bytes_per_second, Some(100.0));
        fetch.begin(&Told::detail("the next"), None);
        assert_eq!((fetch.shown.bytes, fetch.shown.total), (0, None));
        assert_eq!(fetch.shown.bytes_per_second, None);
    }
}
