//! What stands in for the engine and for a browser in tests.

pub(crate) mod blocked;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod held;
pub(crate) mod postgres;
pub(crate) mod reading;
pub(crate) mod scripted;
pub(crate) mod stopped;
