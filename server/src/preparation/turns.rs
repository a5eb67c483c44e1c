//! Whose turn it is: those who wait for a place stand in a queue of their caller's, and callers take turns, so that nobody is
//! passed twice, whoever asks how often.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nibble_engine::{Caller, Error};
use tokio::sync::oneshot;

/// Places for work, and those who wait for one.
pub(super) struct Turns {
    /// Places that nobody has; none while somebody waits.
    free: usize,
    /// Of each caller who waits, in the order of their turns.
    waiting: VecDeque<(Caller, Queue)>,
    /// How many wait.
    count: usize,
    /// The most that may.
    limit: usize,
    /// The number of the next who waits.
    next: u64,
}

/// What waits of one caller, each by its number, in the order of arrival; never empty.
type Queue = VecDeque<(u64, oneshot::Sender<Turn>)>;

/// A place for work, which its drop hands on. It travels in the channel to whoever waits, so that one who has left meanwhile
/// hands it on as well.
pub(super) struct Turn(Option<Arc<Mutex<Turns>>>);

/// Somebody who waits, until this is dropped.
struct Waiting<'a> {
    turns: &'a Mutex<Turns>,
    caller: Caller,
    id: u64,
}

/// A place for a caller, now or when it is their turn. Whoever drops this waits no longer.
///
/// # Errors
/// [`Error::Busy`] when too many wait.
pub(super) async fn take(turns: &Arc<Mutex<Turns>>, caller: Caller) -> Result<Turn, Error> {
    let (id, receiver) = {
        let mut all = lock(turns);
        if all.free > 0 {
            all.free -= 1;
            return Ok(Turn(Some(Arc::clone(turns))));
        }
        all.enter(caller)?
    };
    let _waiting = Waiting { turns, caller, id };
    // Who waits is given a turn, or is gone itself.
    receiver.await.map_err(|_| Error::Broken)
}

impl Turns {
    pub(super) fn new(at_once: usize, limit: usize) -> Self {
        Self {
            free: at_once,
            waiting: VecDeque::new(),
            count: 0,
            limit,
            next: 0,
        }
    }

    /// Puts somebody at the end of their caller's queue, and a caller who has none behind the others.
    fn enter(&mut self, caller: Caller) -> Result<(u64, oneshot::Receiver<Turn>), Error> {
        let own = self.waiting.iter_mut().find(|(of, _)| *of == caller);
        let limit = Caller::places(own.as_ref().map_or(0, |(_, queue)| queue.len()), self.limit);
        if self.count >= limit {
            return Err(Error::Busy {
                waiting: limit,
                limit,
                wait: None,
            });
        }
        let (sender, receiver) = oneshot::channel();
        let id = self.next;
        self.next += 1;
        self.count += 1;
        match own {
            Some((_, queue)) => queue.push_back((id, sender)),
            None => self.waiting.push_back((caller, [(id, sender)].into())),
        }
        Ok((id, receiver))
    }

    /// The next whose turn it is; the caller is behind the others then. Where nobody waits the place is free.
    fn hand_on(&mut self) -> Option<oneshot::Sender<Turn>> {
        let Some((caller, mut queue)) = self.waiting.pop_front() else {
            self.free += 1;
            return None;
        };
        let next = queue.pop_front();
        self.count -= 1;
        if !queue.is_empty() {
            self.waiting.push_back((caller, queue));
        }
        next.map(|(_, sender)| sender)
    }

    /// Takes somebody out who may have had their turn.
    fn leave(&mut self, caller: Caller, id: u64) {
        let Some(at) = self.waiting.iter().position(|(of, _)| *of == caller) else {
            return;
        };
        let queue = &mut self.waiting[at].1;
        let before = queue.len();
        queue.retain(|(of, _)| *of != id);
        self.count -= before - queue.len();
        if queue.is_empty() {
            self.waiting.remove(at);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else {
            return;
        };
        // Outside of the lock, as whoever gets it may drop it.
        loop {
            let Some(next) = lock(&turns).hand_on() else {
                return;
            };
            match next.send(Self(Some(Arc::clone(&turns)))) {
                Ok(()) => return,
                // Nobody is there: the next one, and not by another drop, or a hundred who left would be a hundred deep.
                Err(mut unwanted) => unwanted.0 = None,
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(self.turns).leave(self.caller, self.id);
    }
}

fn lock(turns: &Mutex<Turns>) -> MutexGuard<'_, Turns> {
    // No panic leaves them half-written.
    turns.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::future::{FutureExt, LocalBoxFuture};

    use super::*;

    const A: Caller = Caller(1);
    const B: Caller = Caller(2);
    const C: Caller = Caller(3);

    fn turns(at_once: usize, limit: usize) -> Arc<Mutex<Turns>> {
        Arc::new(Mutex::new(Turns::new(at_once, limit)))
    }

    /// One who asks, and has asked.
    fn asking(
        turns: &Arc<Mutex<Turns>>,
        caller: Caller,
    ) -> LocalBoxFuture<'_, Result<Turn, Error>> {
        let mut asking = take(turns, caller).boxed_local();
        assert!((&mut asking).now_or_never().is_none());
        asking
    }

    /// Their places that are free, and those who wait.
    fn left(turns: &Mutex<Turns>) -> (usize, usize) {
        let turns = lock(turns);
        let waiting = turns.waiting.iter().map(|(_, queue)| queue.len());
        assert_eq!(turns.count, waiting.sum::<usize>());
        (turns.free, turns.count)
    }

    fn now(turns: &Arc<Mutex<Turns>>, caller: Caller) -> Result<Turn, Error> {
        take(turns, caller).now_or_never().expect("nobody waits")
    }

    /// Ends one turn after the other, and says whose was next each time.
    fn order(
        turn: Turn,
        mut waiting: Vec<(Caller, LocalBoxFuture<'_, Result<Turn, Error>>)>,
    ) -> Vec<Caller> {
        let (mut turn, mut order) = (Some(turn), Vec::new());
        while turn.take().is_some() {
            let mut asked = waiting.iter_mut().enumerate();
            let next = asked.find_map(|(at, (_, asks))| Some((at, asks.now_or_never()?)));
            if let Some((at, given)) = next {
                turn = Some(given.unwrap());
                order.push(waiting.remove(at).0);
            }
        }
        order
    }

    #[test]
    fn a_caller_with_all_places_keeps_nobody_else_out() {
        let turns = turns(2, 64);
        let first = [now(&turns, A).unwrap(), now(&turns, A).unwrap()];
        let mut waiting: Vec<_> = (0..64).map(|_| (A, asking(&turns, A))).collect();
        let refused = now(&turns, A);
        assert!(matches!(
            refused,
            Err(Error::Busy {
                waiting: 64,
                limit: 64,
                ..
            })
        ));
        waiting.push((B, asking(&turns, B)));
        let [one, other] = first;
        let order = order(one, waiting);
        assert_eq!(order.len(), 65);
        assert!(order[..2].contains(&B), "{order:?}");
        drop(other);
        assert_eq!(left(&turns), (2, 0));
    }

    #[test]
    fn those_who_have_none_find_some_spare_places_alone() {
        let turns = turns(1, 4);
        let _first = now(&turns, A).unwrap();
        let _waiting: Vec<_> = (0..4).map(|_| asking(&turns, A)).collect();
        let _spare = asking(&turns, B);
        for caller in [A, B] {
            let refused = now(&turns, caller);
            assert!(matches!(refused, Err(Error::Busy { limit: 4, .. })));
        }
        let refused = now(&turns, C);
        assert!(matches!(refused, Err(Error::Busy { limit: 5, .. })));
        assert_eq!(left(&turns), (0, 5));
    }

    #[test]
    fn no_caller_comes_twice_while_another_waits() {
        let turns = turns(1, 64);
        let first = now(&turns, A).unwrap();
        let asked = [[A; 9].as_slice(), &[B; 5], &[C; 7]].concat();
        let waiting = asked
            .iter()
            .map(|caller| (*caller, asking(&turns, *caller)));
        let order = order(first, waiting.collect());
        assert_eq!(order.len(), asked.len());
        for at in 1..order.len() {
            let others_wait = order[at..].iter().any(|caller| *caller != order[at - 1]);
            assert!(order[at] != order[at - 1] || !others_wait, "{order:?}");
        }
    }

    #[test]
    fn those_who_leave_take_no_place_with_them() {
        let turns = turns(1, 64);
        let first = now(&turns, A).unwrap();
        let (leaves, stays) = (asking(&turns, A), asking(&turns, A));
        drop(leaves);
        assert_eq!(left(&turns), (0, 1));
        drop(first);
        assert_eq!(left(&turns), (0, 0));
        // It was given the turn, and leaves before it knows.
        drop(stays);
        assert_eq!(left(&turns), (1, 0));
        let first = now(&turns, A).unwrap();
        let (leaves, mut stays) = (asking(&turns, A), asking(&turns, B));
        drop(first);
        drop(leaves);
        let turn = (&mut stays)
            .now_or_never()
            .expect("it is its turn")
            .unwrap();
        assert_eq!(left(&turns), (0, 0));
        drop(turn);
        assert_eq!(left(&turns), (1, 0));
    }

    #[test]
    fn a_turn_whose_receiver_is_gone_goes_to_the_next() {
        let turns = turns(1, 64);
        let first = now(&turns, A).unwrap();
        let deaf = lock(&turns).enter(A).map(|(_, receiver)| drop(receiver));
        let mut hears = asking(&turns, A);
        assert!(deaf.is_ok());
        drop(first);
        let turn = (&mut hears)
            .now_or_never()
            .expect("it is its turn")
            .unwrap();
        drop((turn, hears));
        assert_eq!(left(&turns), (1, 0));
    }

    #[test]
    fn places_stay_whole_where_many_come_and_leave_at_once() {
        let turns = turns(2, 64);
        let others_leave = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (turns, others_leave) = (&turns, &others_leave);
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let asks = take(turns, Caller(number));
                        match others_leave.fetch_xor(true, Ordering::Relaxed) {
                            true => drop(asks.now_or_never()),
                            false => drop(futures::executor::block_on(asks)),
                        }
                    }
                });
            }
        });
        assert_eq!(left(&turns), (2, 0));
    }
}
