//! One password for the page: who has it shares the conversations of all who have it, and everybody else is let in nowhere.
//!
//! A session is a cookie that says until when it holds, under a key that is derived from the password: it outlasts the program,
//! and ends with the password. The API is not asked for it.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue};
use ring::rand::SystemRandom;
use ring::{hmac, pbkdf2};

use crate::cookies;
use crate::hex::hex;
use crate::store::now;

mod gate;
#[cfg(test)]
mod tests;

pub(crate) use self::gate::{SIGN_IN, SIGN_OUT, SignedIn, gate, lead, within_site};

/// How long a password may be, in bytes.
const LENGTHS: RangeInclusive<usize> = 8..=1024;

const NAME: &str = "nibble_session";
/// How long a session holds, in seconds.
const AGE: i64 = 30 * 24 * 60 * 60;

/// Wrong passwords that an address may try in a minute, and addresses that are remembered for it.
const TRIES: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
const ADDRESSES: usize = 4096;

/// Whoever steals a cookie shall not find the password that its key is made of.
const ROUNDS: NonZeroU32 = NonZeroU32::new(200_000).unwrap();

/// What asks for the password.
pub struct SignIn {
    /// Compares in constant time: of what is compared, only a digest that nobody can foresee.
    compare: hmac::Key,
    password: hmac::Tag,
    session: hmac::Key,
    /// Since when, and how many, by callers.
    tries: Mutex<HashMap<u64, (Instant, u32)>>,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Wrong,
    TooMany { wait: Duration },
}

impl SignIn {
    /// By a password, whose line ends do not count.
    ///
    /// # Errors
    /// When it is too short or too long, or the system has no random numbers.
    pub fn new(password: &str) -> Result<Self, String> {
        let password = password.trim_end_matches(['\r', '\n']);
        let bytes = password.len();
        if !LENGTHS.contains(&bytes) {
            let (least, most) = LENGTHS.into_inner();
            return Err(format!(
                "a password must have {least} to {most} bytes, found {bytes}"
            ));
        }
        let compare = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .map_err(|_| "the system has no random numbers".to_owned())?;
        let mut key = [0; 32];
        let salt = b"sessions of nibble";
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            ROUNDS,
            salt,
            password.as_bytes(),
            &mut key,
        );
        Ok(Self {
            password: hmac::sign(&compare, password.as_bytes()),
            compare,
            session: hmac::Key::new(hmac::HMAC_SHA256, &key),
            tries: Mutex::default(),
        })
    }

    /// A new session, for whoever typed the password.
    pub(crate) fn admit(&self, caller: u64, typed: &str, at: Instant) -> Result<Session, Refusal> {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut tries, at);
        let (since, wrong) = tries.entry(caller).or_insert((at, 0));
        if at.duration_since(*since) >= MINUTE {
            (*since, *wrong) = (at, 0);
        }
        if *wrong >= TRIES {
            let wait = MINUTE.saturating_sub(at.duration_since(*since));
            return Err(Refusal::TooMany { wait });
        }
        if hmac::verify(&self.compare, typed.as_bytes(), self.password.as_ref()).is_err() {
            *wrong += 1;
            return Err(Refusal::Wrong);
        }
        tries.remove(&caller);
        Ok(Session(self.token(now() / 1000 + AGE)))
    }

    /// Whether a request is part of a session.
    fn knows(&self, headers: &HeaderMap) -> bool {
        cookies::values(headers, NAME).any(|token| self.holds(token))
    }

    fn holds(&self, token: &str) -> bool {
        let until = token
            .split_once('.')
            .and_then(|(until, _)| until.parse().ok());
        let Some(until) = until.filter(|until| *until > now() / 1000) else {
            return false;
        };
        let given = hmac::sign(&self.compare, token.as_bytes());
        hmac::verify(&self.compare, self.token(until).as_bytes(), given.as_ref()).is_ok()
    }

    fn token(&self, until: i64) -> String {
        let mac = hmac::sign(&self.session, &until.to_be_bytes());
        format!("{until}.{}", hex(mac.as_ref()))
    }
}

/// What a browser is known by from signing in on.
pub(crate) struct Session(String);

impl Session {
    /// Its cookie, in the response to a request with these headers.
    pub(crate) fn cookie(&self, headers: &HeaderMap) -> HeaderValue {
        cookies::keep(headers, NAME, &self.0, AGE)
    }

    /// What ends one in a browser.
    pub(crate) fn no_cookie(headers: &HeaderMap) -> HeaderValue {
        cookies::keep(headers, NAME, "", 0)
    }
}

/// Forgets addresses whose minute is over, else the one whose minute began first.
fn make_room(tries: &mut HashMap<u64, (Instant, u32)>, at: Instant) {
    if tries.len() < ADDRESSES {
        return;
    }
    tries.retain(|_, (since, _)| at.duration_since(*since) < MINUTE);
    let oldest = tries.iter().min_by_key(|(_, (since, _))| *since);
    if let Some(oldest) = oldest
        .map(|(caller, _)| *caller)
        .filter(|_| tries.len() >= ADDRESSES)
    {
        tries.remove(&oldest);
    }
}
