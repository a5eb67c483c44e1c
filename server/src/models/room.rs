//! Who is in memory, and who has to leave: plain decisions over what is known of the models.

use std::sync::Arc;
use std::time::Duration;

use nibble_engine::{Error, Load};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{KeepAlive, Offer};
use crate::generator::Generator;

/// A model that nobody has come for yet since it was loaded stays at least so long: those who waited are on their way.
const FRESH: Duration = Duration::from_secs(60);

/// What came of loading a model; nothing yet while it is loaded.
pub(super) type Outcome = Option<Result<(), Arc<Error>>>;

/// The models of a server.
pub(super) struct Room {
    seats: Vec<Seat>,
    /// Models whose time was over and whose memory is not free yet.
    leaving: usize,
    /// Bytes of engines that are none of the models.
    reserved: u64,
    /// Bytes for all of them; nothing where the system does not tell.
    pub(super) total: Option<u64>,
}

/// A model in or out of memory.
pub(super) struct Seat {
    bytes: u64,
    weight_bytes: u64,
    state: State,
    /// What it did before it left last.
    past: Load,
}

enum State {
    Out,
    /// Out for good.
    Withdrawn,
    Loading(watch::Receiver<Outcome>),
    In(Held),
}

/// A model in memory.
pub(super) struct Held {
    pub(super) generator: Arc<dyn Generator>,
    users: usize,
    used: Instant,
    keep: KeepAlive,
    is_fresh: bool,
}

/// What there is of a model for who wants it.
pub(super) enum Taken {
    Held(Arc<dyn Generator>),
    Loading(watch::Receiver<Outcome>),
    Out,
    Withdrawn,
}

/// That there is too little memory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shortage {
    /// Bytes that could be had.
    pub(super) available: u64,
    /// Whether there will be more when others have answered, or have left.
    pub(super) is_for_now: bool,
}

impl Seat {
    pub(super) fn new(offer: &Offer) -> Self {
        Self {
            bytes: offer.bytes,
            weight_bytes: offer.info.weight_bytes,
            state: State::Out,
            past: Load::default(),
        }
    }

    fn idle(&self) -> Option<&Held> {
        match &self.state {
            State::In(held) if held.users == 0 => Some(held),
            _ => None,
        }
    }

    /// Takes the model out of memory, as soon as it is dropped.
    fn empty(&mut self) -> Option<Arc<dyn Generator>> {
        match std::mem::replace(&mut self.state, State::Out) {
            State::In(held) => {
                self.past = self.past.and(held.generator.load().past());
                Some(held.generator)
            }
            _ => None,
        }
    }
}

impl Held {
    /// When it leaves, if nobody asks it until then; nothing while it is asked, and for one that stays.
    pub(super) fn ends(&self) -> Option<Instant> {
        match self.keep {
            KeepAlive::For(time) if self.users == 0 => {
                let least = if self.is_fresh { FRESH } else { Duration::ZERO };
                Some(self.used + time.max(least))
            }
            _ => None,
        }
    }
}

impl Room {
    pub(super) fn new(seats: Vec<Seat>) -> Self {
        Self {
            seats,
            leaving: 0,
            reserved: 0,
            total: None,
        }
    }

    pub(super) fn add(&mut self, seat: Seat) {
        self.seats.push(seat);
    }

    pub(super) fn count(&self) -> usize {
        self.seats.len()
    }

    /// A model that is out is so from now on, whoever asks it. Says whether it was out.
    pub(super) fn withdraw(&mut self, index: usize) -> bool {
        let is_out = self.is_out(index);
        if is_out {
            self.seats[index].state = State::Withdrawn;
        }
        is_out
    }

    pub(super) fn held(&self, index: usize) -> Option<&Held> {
        match &self.seats[index].state {
            State::In(held) => Some(held),
            _ => None,
        }
    }

    pub(super) fn is_out(&self, index: usize) -> bool {
        matches!(self.seats[index].state, State::Out)
    }

    pub(super) fn generators(&self) -> impl Iterator<Item = &Arc<dyn Generator>> {
        let held = (0..self.seats.len()).filter_map(|index| self.held(index));
        held.map(|held| &held.generator)
    }

    pub(super) fn load(&self, index: usize) -> Load {
        let now = self.held(index).map(|held| held.generator.load());
        self.seats[index].past.and(now.unwrap_or_default())
    }

    /// One user more of a model that is in memory, which stays for `keep` from now on, or as long as was said before.
    pub(super) fn take(&mut self, index: usize, keep: Option<KeepAlive>) -> Taken {
        match &mut self.seats[index].state {
            State::Out => Taken::Out,
            State::Withdrawn => Taken::Withdrawn,
            State::Loading(outcome) => Taken::Loading(outcome.clone()),
            State::In(held) => {
                held.users += 1;
                held.keep = keep.unwrap_or(held.keep);
                held.is_fresh = false;
                Taken::Held(Arc::clone(&held.generator))
            }
        }
    }

    pub(super) fn give_back(&mut self, index: usize) {
        if let State::In(held) = &mut self.seats[index].state {
            held.users = held.users.saturating_sub(1);
            held.used = Instant::now();
        }
    }

    pub(super) fn load_begins(&mut self, index: usize, outcome: watch::Receiver<Outcome>) {
        self.seats[index].state = State::Loading(outcome);
    }

    pub(super) fn enter(&mut self, index: usize, generator: Arc<dyn Generator>, keep: KeepAlive) {
        self.seats[index].state = State::In(Held {
            generator,
            users: 0,
            used: Instant::now(),
            keep,
            is_fresh: true,
        });
    }

    /// A model that is out, as it could not be loaded, or may be loaded again.
    pub(super) fn leave(&mut self, index: usize) {
        self.seats[index].state = State::Out;
    }

    /// Models in memory, or on their way there.
    fn there(&self) -> impl Iterator<Item = &Seat> {
        let is_there = |seat: &&Seat| !matches!(seat.state, State::Out | State::Withdrawn);
        self.seats.iter().filter(is_there)
    }

    /// Bytes of the total that no model in memory may come to use, and that are not reserved.
    fn unplanned(&self) -> Option<u64> {
        let taken: u64 = self.there().map(|seat| seat.bytes).sum();
        let taken = taken + self.reserved;
        self.total.map(|total| total.saturating_sub(taken))
    }

    /// Bytes for one more model while all of those stay, of the `available` ones that the system has left; nothing where
    /// neither is known. Models in memory have not used all of their keys and values yet.
    pub(super) fn free(&self, available: Option<u64>) -> Option<u64> {
        [self.unplanned(), available].into_iter().flatten().min()
    }

    /// Reserves bytes of the `available` ones that the system has left, or says how many could be. Models on their way into memory
    /// have not taken theirs yet; what those that are there may come to use counts as available, or a machine that one model fills
    /// by half could compare nothing.
    pub(super) fn reserve(&mut self, bytes: u64, available: Option<u64>) -> Result<(), u64> {
        let is_loading = |seat: &&Seat| matches!(seat.state, State::Loading(_));
        let loading = self.seats.iter().filter(is_loading);
        let loading: u64 = loading.map(|seat| seat.bytes).sum();
        let left = available.map(|available| available.saturating_sub(loading));
        match left.filter(|left| *left < bytes) {
            Some(left) => Err(left),
            None => {
                self.reserved += bytes;
                Ok(())
            }
        }
    }

    /// Bytes that were reserved are free again.
    pub(super) fn release(&mut self, bytes: u64) {
        self.reserved -= bytes;
    }

    /// Takes models out until there is room for another: those longest unused first, and none that answers. `available` is
    /// what the system has left now, which others than this program may have taken.
    pub(super) fn make_room(
        &mut self,
        index: usize,
        available: Option<u64>,
    ) -> Result<Vec<Arc<dyn Generator>>, Shortage> {
        let need = self.seats[index].bytes;
        let mut planned = self.unplanned().unwrap_or(u64::MAX);
        let mut found = available.unwrap_or(u64::MAX);
        let idle = self.seats.iter().enumerate();
        let idle = idle.filter_map(|(index, seat)| Some((seat.idle()?.used, index)));
        let mut idle: Vec<_> = idle.collect();
        idle.sort_unstable();
        let mut leaving = Vec::new();
        for (_, index) in idle {
            if planned.min(found) >= need {
                break;
            }
            let seat = &self.seats[index];
            planned = planned.saturating_add(seat.bytes);
            found = found.saturating_add(seat.weight_bytes);
            leaving.push(index);
        }
        let most = planned.min(found);
        if most < need {
            let there = self.there().count();
            return Err(Shortage {
                available: most,
                is_for_now: self.leaving > 0 || self.reserved > 0 || there > leaving.len(),
            });
        }
        let leaving = leaving.into_iter();
        Ok(leaving
            .filter_map(|index| self.seats[index].empty())
            .collect())
    }

    /// Takes out those whose time is over, and says when the next one's is. Each is leaving until [`Self::has_left`].
    pub(super) fn expire(&mut self, now: Instant) -> (Vec<Arc<dyn Generator>>, Option<Instant>) {
        let (mut leaving, mut next) = (Vec::new(), None);
        for index in 0..self.seats.len() {
            let Some(ends) = self.held(index).and_then(Held::ends) else {
                continue;
            };
            if ends <= now {
                leaving.extend(self.seats[index].empty());
            } else {
                next = Some(next.map_or(ends, |next: Instant| next.min(ends)));
            }
        }
        self.leaving += leaving.len();
        (leaving, next)
    }

    /// The memory of one that [`Self::expire`] took out is free.
    pub(super) fn has_left(&mut self) {
        self.leaving -= 1;
    }
}
