//! What the server needs of an engine, so that its routes can be tested without a model.

use nibble_engine::{
    Answer, Caller, Conversation, Engine, Error, Foresight, Load, ModelInfo, Pace, Prompt, Reading,
    Request, Thinking,
};

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

    /// How many tokens a request's prompt has, no more of which are made than tell that it is far too long; 0 where there is
    /// no limit to them.
    ///
    /// # Errors
    /// As [`Engine::prompt_length`].
    fn prompt_length(&self, _request: Request) -> Result<usize, Error> {
        Ok(0)
    }

    /// What a request would have to compute.
    ///
    /// # Errors
    /// As [`Engine::foresee`].
    fn foresee(&self, request: Request) -> Result<Foresight, Error> {
        Ok(Foresight {
            prompt_tokens: self.prompt_length(request)?,
            ..Foresight::default()
        })
    }

    /// How fast it is here, as far as that was measured.
    fn pace(&self) -> Pace {
        Pace::default()
    }

    /// How many requests may wait at a time.
    fn queue(&self) -> usize {
        usize::MAX
    }

    /// Whether the queue has a place for a caller now.
    ///
    /// # Errors
    /// As [`Engine::room`].
    fn room(&self, _caller: Caller) -> Result<(), Error> {
        Ok(())
    }

    /// Puts a request into the queue.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    fn submit(&self, request: Request) -> Result<Answer, Error>;

    /// What the chat template makes of a conversation.
    ///
    /// # Errors
    /// As [`Engine::laid_out`], and where there is no template.
    fn laid_out(&self, _: &Conversation, _: Thinking) -> Result<String, Error> {
        Err(Error::Stopped)
    }

    /// The tokens that the model would read of a prompt, as they are.
    ///
    /// # Errors
    /// As [`Engine::prompt_tokens`], and where there is no tokenizer.
    fn prompt_tokens(&self, _: &Prompt, _: Thinking) -> Result<Vec<u32>, Error> {
        Err(Error::Stopped)
    }

    /// The tokens of a text that is no prompt of itself.
    ///
    /// # Errors
    /// As [`Engine::text_tokens`], and where there is no tokenizer.
    fn text_tokens(&self, _: &str, _: Reading) -> Result<Vec<u32>, Error> {
        Err(Error::Stopped)
    }

    /// The tokens that begin a text and end one, as they are written, where the model names them.
    fn first_and_last(&self) -> [Option<&str>; 2] {
        [None, None]
    }

    /// The text of tokens.
    ///
    /// # Errors
    /// As [`Engine::spelt`], and where there is no tokenizer.
    fn spelt(&self, _: &[u32]) -> Result<String, Error> {
        Err(Error::Stopped)
    }
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

    fn prompt_length(&self, request: Request) -> Result<usize, Error> {
        self.prompt_length(request)
    }

    fn foresee(&self, request: Request) -> Result<Foresight, Error> {
        self.foresee(request)
    }

    fn pace(&self) -> Pace {
        self.pace()
    }

    fn queue(&self) -> usize {
        self.queue()
    }

    fn room(&self, caller: Caller) -> Result<(), Error> {
        self.room(caller)
    }

    fn submit(&self, request: Request) -> Result<Answer, Error> {
        self.submit(request)
    }

    fn laid_out(&self, conversation: &Conversation, thinking: Thinking) -> Result<String, Error> {
        self.laid_out(conversation, thinking)
    }

    fn prompt_tokens(&self, prompt: &Prompt, thinking: Thinking) -> Result<Vec<u32>, Error> {
        self.prompt_tokens(prompt, thinking)
    }

    fn text_tokens(&self, text: &str, reading: Reading) -> Result<Vec<u32>, Error> {
        self.text_tokens(text, reading)
    }

    fn first_and_last(&self) -> [Option<&str>; 2] {
        self.first_and_last()
    }

    fn spelt(&self, tokens: &[u32]) -> Result<String, Error> {
        self.spelt(tokens)
    }
}

/// A model that is not in memory, of which nothing is known but what it is.
pub(crate) struct Known(pub(crate) ModelInfo);

impl Generator for Known {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn submit(&self, _: Request) -> Result<Answer, Error> {
        Err(Error::Stopped)
    }
}
