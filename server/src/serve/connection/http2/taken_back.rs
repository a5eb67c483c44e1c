//! Streams that a client resets before they are answered. Each was work, and over HTTP/1.1 costs a connection; here it is free
//! for its sender, so how many there are of late is counted.
//!
//! Behind a proxy they may be one person's, and the answers beside them others'. So the connection takes no more streams, and open
//! ones go on.

use std::time::Duration;

use tokio::time::Instant;

/// So many, within this time, are those of people who change their minds.
const MOST: usize = 100;
const PERIOD: Duration = Duration::from_secs(10);

pub(super) struct TakenBack {
    since: Instant,
    count: usize,
}

impl Default for TakenBack {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            count: 0,
        }
    }
}

impl TakenBack {
    /// Counts another; whether it was the one too many.
    pub(super) fn another(&mut self) -> bool {
        if self.are_too_many() {
            return false;
        }
        if self.since.elapsed() >= PERIOD {
            *self = Self::default();
        }
        self.count += 1;
        self.are_too_many()
    }

    /// Once they are, they stay so.
    pub(super) fn are_too_many(&self) -> bool {
        self.count >= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn too_many_are_those_within_a_while() {
        let mut taken_back = TakenBack::default();
        let mut after = |count: usize| (0..count).filter(|_| taken_back.another()).count();
        assert_eq!(after(MOST - 1), 0);
        tokio::time::sleep(PERIOD).await;
        assert_eq!(after(MOST - 1), 0);
        assert_eq!(after(MOST), 1, "it is said once");
        tokio::time::sleep(PERIOD).await;
        assert!(taken_back.are_too_many());
    }
}
