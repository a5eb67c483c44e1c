//! Who may hold a connection, or a stream of one that has many. Each takes memory, and a connection a file descriptor, so there
//! are only so many, and no peer has all of them.
//!
//! When there is no place, the connection goes that has owed a request for longest: a client that is well sends its request
//! at once, and one whose connection idles opens another. An answer that is made or sent never goes, unless its reader takes
//! nothing of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::pulse::Pulse;
use crate::caller;

/// Of the places, so many quarters may be one peer's: a proxy is one.
const QUARTERS_OF_ONE: usize = 3;
/// Places for this machine alone, whose supervisor asks whether the server is well.
const NEAR: usize = 16;
/// When so many have left, what they had of memory is worth giving back: some 20 KB each.
const CROWD: usize = 100;

/// The places, and who has them.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    held: Mutex<Held>,
    count: watch::Sender<usize>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Held {
    by_id: HashMap<u64, Holder>,
    next: u64,
    /// At a time, since the last crowd has left.
    most: usize,
}

#[derive(Debug)]
struct Holder {
    peer: u64,
    pulse: Arc<Pulse>,
    leaves: bool,
}

enum Entry {
    Taken(Place),
    /// Somebody makes room.
    Soon,
    /// Everybody who is there is waiting for an answer.
    Full,
}

impl Places {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            held: Mutex::default(),
            count: watch::Sender::default(),
            left: Notify::new(),
        })
    }

    /// A place for a connection from there, or a stream; none where nobody can make room.
    pub(super) async fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        loop {
            // Hears of whoever leaves from here on.
            let left = self.left.notified();
            match self.try_enter(peer) {
                Entry::Taken(place) => return Some(place),
                Entry::Soon => left.await,
                Entry::Full => return None,
            }
        }
    }

    fn try_enter(self: &Arc<Self>, peer: IpAddr) -> Entry {
        let number = caller::number(peer);
        let limit = self.limit + if peer.is_loopback() { NEAR } else { 0 };
        let mut held = self.lock();
        let of_peer = held.by_id.values().filter(|holder| holder.peer == number);
        let has_its_share = of_peer.count() >= self.of_one();
        if held.by_id.len() < limit && !has_its_share {
            let id = held.next;
            held.next += 1;
            let pulse = Arc::new(Pulse::default());
            let holder = Holder {
                peer: number,
                pulse: Arc::clone(&pulse),
                leaves: false,
            };
            held.by_id.insert(id, holder);
            held.most = held.most.max(held.by_id.len());
            self.count.send_replace(held.by_id.len());
            let places = Arc::clone(self);
            return Entry::Taken(Place { places, id, pulse });
        }
        let concerned = |holder: &&mut Holder| !has_its_share || holder.peer == number;
        held.make_room(concerned)
    }

    fn of_one(&self) -> usize {
        (self.limit * QUARTERS_OF_ONE / 4).max(1)
    }

    /// Whether a crowd has left since it was last asked.
    pub(super) fn a_crowd_has_left(&self) -> bool {
        let mut held = self.lock();
        let now = held.by_id.len();
        let has_left = held.most - now >= CROWD;
        if has_left {
            held.most = now;
        }
        has_left
    }

    /// Ready when nobody is there.
    pub(super) async fn all_left(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as `self`.
        let _ = count.wait_for(|count| *count == 0).await;
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Sends the one away that has owed a request for longest, unless one of them is on its way out already.
    fn make_room(&mut self, concerned: impl Fn(&&mut Holder) -> bool) -> Entry {
        let mut oldest = None;
        for holder in self.by_id.values_mut().filter(|holder| concerned(holder)) {
            if holder.leaves {
                return Entry::Soon;
            }
            let Some(since) = holder.pulse.owes_since() else {
                continue;
            };
            if oldest.as_ref().is_none_or(|(first, _)| since < *first) {
                oldest = Some((since, holder));
            }
        }
        let Some((_, holder)) = oldest else {
            return Entry::Full;
        };
        holder.leaves = true;
        holder.pulse.evict();
        Entry::Soon
    }
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    pulse: Arc<Pulse>,
}

impl Place {
    pub(super) fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }

    /// All places, of which streams of its connection take more.
    pub(super) fn places(&self) -> Arc<Places> {
        Arc::clone(&self.places)
    }

    /// How many one peer may have.
    pub(super) fn most_of_one(&self) -> usize {
        self.places.of_one()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.lock();
        held.by_id.remove(&self.id);
        self.places.count.send_replace(held.by_id.len());
        // Not all of them may have this place.
        self.places.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
    const THIRD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 3));
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn taken(places: &Arc<Places>, peer: IpAddr) -> Option<Place> {
        match places.try_enter(peer) {
            Entry::Taken(place) => Some(place),
            Entry::Soon | Entry::Full => None,
        }
    }

    async fn is_evicted(place: &Place) -> bool {
        let evicted = place.pulse.evicted();
        let soon = std::time::Duration::from_millis(1);
        tokio::time::timeout(soon, evicted).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_with_its_share_gives_up_the_connection_that_has_idled_for_longest() {
        let places = Places::new(8);
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(taken(&places, PEER).unwrap());
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let other = taken(&places, OTHER).unwrap();
        // This one asks for something.
        held[0].pulse.begin(false, true);
        assert!(matches!(places.try_enter(PEER), Entry::Soon));
        // Whoever waits for it takes no second one.
        assert!(matches!(places.try_enter(PEER), Entry::Soon));
        assert!(is_evicted(&held[1]).await);
        for stays in held.iter().skip(2).chain([&held[0], &other]) {
            assert!(!is_evicted(stays).await);
        }
        held.remove(1);
        assert!(taken(&places, PEER).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_when_all_places_are_taken_gets_that_of_the_longest_idle() {
        let places = Places::new(4);
        let first = taken(&places, PEER).unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let rest: Vec<_> = [PEER, PEER, OTHER].map(|peer| taken(&places, peer)).into();
        assert!(rest.iter().all(Option::is_some));
        let newcomer = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.enter(THIRD).await }
        });
        first.pulse.evicted().await;
        assert!(!newcomer.is_finished());
        drop(first);
        assert!(newcomer.await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_for_answers_stay_and_this_machine_is_let_in_beside_them() {
        let places = Places::new(4);
        let held: Vec<_> = [PEER, PEER, PEER, OTHER]
            .map(|peer| taken(&places, peer).unwrap())
            .into();
        for place in &held {
            place.pulse.begin(false, true);
        }
        assert!(places.enter(THIRD).await.is_none());
        let near: Vec<_> = (0..3).map(|_| taken(&places, HERE)).collect();
        assert!(near.iter().all(Option::is_some));
        drop(near);
        // Whoever takes nothing of its answer makes room after a while.
        held[3].pulse.stalls();
        assert!(taken(&places, THIRD).is_none());
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        assert!(matches!(places.try_enter(THIRD), Entry::Soon));
        assert!(is_evicted(&held[3]).await);
        drop(held);
        places.all_left().await;
    }

    #[tokio::test]
    async fn a_crowd_leaves_once() {
        let places = Places::new(4 * CROWD);
        let mut held: Vec<_> = (0..CROWD + 1).map(|_| taken(&places, PEER)).collect();
        held.truncate(2);
        assert!(!places.a_crowd_has_left());
        held.truncate(1);
        assert!(places.a_crowd_has_left());
        held.clear();
        assert!(!places.a_crowd_has_left());
    }
}
