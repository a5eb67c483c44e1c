//! Where the default model is, which the program fetches, as the engine knows nothing of networks.

use std::env;
use std::path::PathBuf;

/// # Panics
/// When it was not fetched.
pub(crate) fn default_model() -> PathBuf {
    let home = env::var_os("NIBBLE_HOME").filter(|home| !home.is_empty());
    let folder = home.map(PathBuf::from);
    let folder = folder.or_else(|| Some(dirs::cache_dir()?.join("nibble")));
    let path = folder
        .expect("a cache folder is known")
        .join("SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(
        path.exists(),
        "the default model is not at `{}`: `cargo run -- download` fetches it",
        path.display()
    );
    path
}
