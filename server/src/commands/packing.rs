//! What is seen while weights are packed: a bar on a terminal, log lines elsewhere.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two log lines. Small models are packed before the first.
const PAUSE: Duration = Duration::from_secs(5);

/// Shown from the first call of [`PackingBar::show`] on.
pub(super) struct PackingBar {
    bar: ProgressBar,
    logged: Mutex<Instant>,
}

impl PackingBar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new(0);
        let template = "packing the weights {wide_bar} {percent} %, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let logged = Mutex::new(Instant::now());
        Self { bar, logged }
    }

    pub(super) fn show(&self, done: u64, all: u64) {
        self.bar.set_length(all);
        self.bar.set_position(done);
        if !self.bar.is_hidden() {
            return;
        }
        let Ok(mut logged) = self.logged.lock() else {
            return;
        };
        if logged.elapsed() >= PAUSE {
            *logged = Instant::now();
            tracing::info!("packing the weights: {} %", done * 100 / all.max(1));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
