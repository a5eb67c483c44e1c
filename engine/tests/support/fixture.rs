//! The small models that are kept with the tests.

use std::path::Path;

use nibble_engine::{Engine, LoadOptions};

/// One of them, on one thread.
pub(crate) fn engine(name: &str) -> Engine {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    Engine::load(&LoadOptions {
        model: fixtures.join(name),
        threads: Some(1),
        ..LoadOptions::default()
    })
    .expect("the model loads")
}
