//! Keys of the API: who has one, and how much each may do.
//!
//! Of a key only its SHA-256 is kept, and what is sent is compared with all of them in constant time. A key has a name, which
//! `/metrics`, refusals and the log know it by. What a key has spent goes by its name, so it outlasts a change of the file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use nibble_engine::Caller;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use self::lines::Line;
use self::spent::Spent;
use self::usage::Usage;

mod gate;
mod held;
mod lines;
mod spent;
#[cfg(test)]
mod tests;
mod usage;

pub(crate) use self::gate::gate;
pub(crate) use self::held::Held;
pub(crate) use self::usage::{current, within};

/// The name of the key that comes from the environment.
const OF_ENVIRONMENT: &str = "environment";

/// Where the numbers of callers with keys begin: no address has one of them.
const FIRST_CALLER: u64 = 0xffff_ffff_0000_0000;

/// The keys of a server.
#[derive(Debug)]
pub struct Keys {
    of_environment: Option<Line>,
    known: RwLock<Vec<Arc<Key>>>,
    /// The number of the next key: none has that of another, not even of one that is no longer known.
    next: AtomicU64,
    usage: Usage,
}

/// Who may use the API, as the file of keys says.
#[derive(Debug)]
pub(crate) struct Key {
    name: String,
    digest: [u8; 32],
    limits: Limits,
    spent: Arc<Spent>,
    usage: Usage,
}

/// How much the holder of a key may do; what is missing has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Limits {
    requests_per_minute: Option<u32>,
    tokens_per_minute: Option<u32>,
    /// Requests that are answered at once; all answers to one are one chat.
    chats: Option<u32>,
}

impl Keys {
    /// The keys of a file's text, and the one of the environment.
    ///
    /// # Errors
    /// The line and what is wrong with it, never any of the key; that there is none.
    pub fn new(file: Option<&str>, of_environment: Option<&str>) -> Result<Self, String> {
        let of_environment = of_environment.map(|key| Line::new(OF_ENVIRONMENT, key));
        let of_environment = of_environment.transpose();
        let keys = Self {
            of_environment: of_environment.map_err(|why| format!("the key {why}"))?,
            known: RwLock::default(),
            next: AtomicU64::new(0),
            usage: Usage::default(),
        };
        keys.replace(file.unwrap_or_default())?;
        Ok(keys)
    }

    /// Forgets the keys of the file and takes those of this text. A name that was there before goes on with what it has spent.
    ///
    /// # Errors
    /// As [`Self::new`], and then nothing has changed.
    pub fn replace(&self, file: &str) -> Result<(), String> {
        let mut lines = lines::read(file)?;
        lines.extend(self.of_environment.clone());
        lines::check_distinct(&lines)?;
        if lines.is_empty() {
            return Err("there is no key in it".to_owned());
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let spent: HashMap<_, _> = known
            .iter()
            .map(|key| (key.name.clone(), Arc::clone(&key.spent)))
            .collect();
        *known = lines
            .into_iter()
            .map(|line| {
                let before = spent.get(&line.name).cloned();
                let number = || self.next.fetch_add(1, Ordering::Relaxed);
                let spent = before.unwrap_or_else(|| Arc::new(Spent::new(number())));
                self.usage.begin(&line.name);
                Arc::new(Key {
                    name: line.name,
                    digest: line.digest,
                    limits: line.limits,
                    spent,
                    usage: self.usage.clone(),
                })
            })
            .collect();
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.len()
    }

    /// Makes what keys are used for known to monitoring.
    ///
    /// # Errors
    /// When another figure has the name of one of these.
    pub(crate) fn register(&self, registry: &prometheus::Registry) -> prometheus::Result<()> {
        self.usage.register(registry)
    }

    /// The key that a request has.
    fn of(&self, headers: &HeaderMap) -> Option<Arc<Key>> {
        sent(headers).find_map(|key| self.holding(key))
    }

    fn holding(&self, key: &[u8]) -> Option<Arc<Key>> {
        let digest = digest(key);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        // Looks at all of them, so that the time tells nothing of where a match is.
        let mut found = None;
        for key in known.iter() {
            if bool::from(key.digest.ct_eq(&digest)) {
                found = Some(Arc::clone(key));
            }
        }
        found
    }
}

impl Key {
    /// Those who have a key share its turn, wherever they are.
    pub(crate) fn caller(&self) -> Caller {
        Caller(FIRST_CALLER | self.spent.number())
    }
}

fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Whether a request brings what may be a key.
fn sends_one(headers: &HeaderMap) -> bool {
    sent(headers).next().is_some()
}

/// What may be a key: as OpenAI's clients send it, and as Anthropic's do.
fn sent(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked("Bearer ".len())?;
        let is_bearer = scheme.eq_ignore_ascii_case(b"Bearer ");
        is_bearer.then(|| key.trim_ascii())
    });
    let plain = headers.get_all("x-api-key").iter();
    let plain = plain.map(|value| value.as_bytes().trim_ascii());
    bearers.chain(plain).filter(|key| !key.is_empty())
}
