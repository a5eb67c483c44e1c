//! The items that responses ended with, for clients that refer to an item instead of sending it again.
//!
//! In memory alone, and bounded in number, bytes and age: the oldest are forgotten first. Who knows an item's id finds it, which
//! is random; where there are keys, the holder of the same key alone. This is no store of responses: none is found by its own
//! id, and none outlasts the program.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nibble_engine::Caller;
use serde_json::Value;

/// The most items that are kept, of all responses.
const MAX_ITEMS: usize = 4096;
/// The most bytes of JSON that they have, ids included: some 500 long answers.
const MAX_BYTES: usize = 16 << 20;
/// How long an item is kept: a conversation may rest overnight.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// The items of all callers.
#[derive(Default)]
pub(crate) struct ResponseItems(Mutex<Kept>);

/// What one caller keeps and finds; nothing instead of a caller is whoever comes, where there are no keys.
#[derive(Clone)]
pub(crate) struct OwnItems {
    items: Arc<ResponseItems>,
    owner: Option<Caller>,
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<String, Item>,
    /// The oldest first.
    ids: VecDeque<String>,
    bytes: usize,
}

struct Item {
    owner: Option<Caller>,
    json: String,
    since: Instant,
}

impl OwnItems {
    pub(crate) fn new(items: Arc<ResponseItems>, owner: Option<Caller>) -> Self {
        Self { items, owner }
    }

    /// Keeps items that have ids.
    pub(crate) fn keep(&self, items: &[Value]) {
        let named = items.iter().filter_map(|item| {
            let id = item["id"].as_str()?;
            Some((id, item.to_string()))
        });
        let (named, now): (Vec<_>, _) = (named.collect(), Instant::now());
        let mut kept = self.items.lock();
        for (id, json) in named {
            kept.keep(self.owner, id, json, now);
        }
    }

    /// The JSON of an item, where it is still kept for this caller.
    pub(crate) fn find(&self, id: &str) -> Option<String> {
        self.items.lock().find(self.owner, id, Instant::now())
    }
}

impl ResponseItems {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, owner: Option<Caller>, id: &str, json: String, now: Instant) {
        let bytes = id.len() + json.len();
        if bytes > MAX_BYTES || self.by_id.contains_key(id) {
            return;
        }
        self.forget_old(now);
        while self.ids.len() >= MAX_ITEMS || self.bytes + bytes > MAX_BYTES {
            self.forget_oldest();
        }
        self.bytes += bytes;
        self.ids.push_back(id.to_owned());
        let item = Item {
            owner,
            json,
            since: now,
        };
        self.by_id.insert(id.to_owned(), item);
    }

    fn find(&mut self, owner: Option<Caller>, id: &str, now: Instant) -> Option<String> {
        self.forget_old(now);
        let item = self.by_id.get(id).filter(|item| item.owner == owner)?;
        Some(item.json.clone())
    }

    fn forget_old(&mut self, now: Instant) {
        let is_old = |item: &Item| now.saturating_duration_since(item.since) > MAX_AGE;
        while let Some(oldest) = self.ids.front() {
            if !self.by_id.get(oldest).is_none_or(is_old) {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(id) = self.ids.pop_front() else {
            return;
        };
        if let Some(item) = self.by_id.remove(&id) {
            self.bytes -= id.len() + item.json.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kept: &mut Kept, owner: Option<Caller>, id: &str, now: Instant) -> bool {
        kept.find(owner, id, now).is_some()
    }

    #[test]
    fn an_item_is_found_by_its_owner_alone_until_it_is_too_old() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        let anna = Some(Caller(1));
        kept.keep(anna, "a", "{}".to_owned(), now);
        kept.keep(None, "b", "{}".to_owned(), now + Duration::from_secs(1));
        assert!(found(&mut kept, anna, "a", now));
        for other in [Some(Caller(2)), None] {
            assert!(!found(&mut kept, other, "a", now));
        }
        assert!(found(&mut kept, None, "b", now));
        let later = now + MAX_AGE + Duration::from_millis(500);
        assert!(!found(&mut kept, anna, "a", later));
        assert!(found(&mut kept, None, "b", later));
        assert_eq!((kept.ids.len(), kept.bytes), (1, 3));
    }

    #[test]
    fn the_oldest_go_where_there_are_too_many_items_or_bytes() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        for number in 0..=MAX_ITEMS {
            kept.keep(None, &number.to_string(), "{}".to_owned(), now);
        }
        assert!(!found(&mut kept, None, "0", now));
        assert!(found(&mut kept, None, "1", now));
        assert_eq!(kept.by_id.len(), MAX_ITEMS);
        kept.keep(None, "large", "x".repeat(MAX_BYTES - 5), now);
        assert!(found(&mut kept, None, "large", now));
        assert_eq!((kept.by_id.len(), kept.bytes), (1, MAX_BYTES));
        kept.keep(None, "larger", "x".repeat(MAX_BYTES), now);
        assert!(!found(&mut kept, None, "larger", now));
        assert!(found(&mut kept, None, "large", now));
    }
}
