//! What the server needs of an engine, so that its routes can be tested without a model.

use nibble_engine::{Answer, Engine, Error, Load, ModelInfo, Request};

/// A source of answers.
pub trait Generator: Send + Sync {
    /// What is loaded.
    fn info(&self) -> &ModelInfo;

    /// Whether answers can be had.
    fn is_alive(&self) -> bool {
        true
    }

    /// What it is doing.
    fn load(&self) -> Load {
        Load::default()
    }

    /// Puts a request into the queue.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    fn submit(&self, request: Request) -> Result<Answer, Error>;
}

impl Generator for Engine {
    fn info(&self) -> &ModelInfo {
        self.info()
    }

    fn is_alive(&self) -> bool {
        self.is_alive()
    }

    fn load(&self) -> Load {
        self.load_now()
    }

    fn submit(&self, request: Request) -> Result<Answer, Error> {
        self.submit(request)
    }
}
