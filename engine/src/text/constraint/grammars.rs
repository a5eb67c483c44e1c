//! Constraints become matchers for the tokens of one model. The last few are kept: several answers to one request have the
//! same, and so have many requests.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{Value, json};
use toktrie::{InferenceCapabilities, TokEnv};

use super::either::{self, either};
use super::environment::Environment;
use super::follower::Follower;
use super::{Constraint, Language, bounds, calls, gbnf, lark, schema};
use crate::Error;
use crate::text::calls::CallFormat;
use crate::text::conversation::Conversation;
use crate::text::tokenizer::Tokenizer;

/// Blanks between the parts of JSON: as its layouts have them, and no more, or a model could write nothing else for ever. Tabs
/// are counted short: each may be a token, and small models like to repeat them.
const BLANKS: &str = r" |\n( {0,32}|\t{0,8})";
/// Sets of tokens beside those of `llguidance`, which are for texts in JSON: where the whole of one may come, its tokens are not
/// asked one by one. The first have letters, blanks and what is not ASCII, for expressions that
/// leave some punctuation out; the last is for those that name letters.
const SLICES: [&str; 3] = [
    r"[^\x00-\x1F!-@\[-`{-\x7F]{1,30}",
    r"[^\x00-\x1F!-@\[-`{-\x7F]{1,10}",
    "[a-zA-Z]{1,30}",
];
/// Schemas are read by recursion, which is bounded, but not by the stack of any thread.
const STACK_BYTES: usize = 256 << 20;
/// As many are kept, each as large as what an answer has that begins.
const KEPT: usize = 8;

/// What compiles the constraints of a model. It is made once, in some hundred milliseconds.
pub(crate) struct Grammars {
    factory: ParserFactory,
    tokenizer: Arc<Tokenizer>,
    /// The last that were asked for, at their beginnings, by their grammars; the very last is at the end.
    kept: Mutex<VecDeque<(String, Matcher)>>,
}

impl Debug for Grammars {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Grammars").finish_non_exhaustive()
    }
}

impl Grammars {
    /// For the tokens of a model.
    ///
    /// # Errors
    /// The reason why its tokens cannot be told apart by their bytes.
    pub(crate) fn new(tokenizer: &Arc<Tokenizer>) -> Result<Self, String> {
        let mut slices = SlicedBiasComputer::general_slices();
        slices.extend(SLICES.map(str::to_owned));
        Self::with_slices(tokenizer, &slices)
    }

    pub(super) fn with_slices(
        tokenizer: &Arc<Tokenizer>,
        slices: &[String],
    ) -> Result<Self, String> {
        let environment: TokEnv = Arc::new(Environment::new(Arc::clone(tokenizer)));
        let factory = ParserFactory::new(&environment, InferenceCapabilities::default(), slices);
        let mut factory = factory.map_err(|error| error.to_string())?;
        *factory.quiet().limits_mut() = bounds::limits();
        Ok(Self {
            factory,
            tokenizer: Arc::clone(tokenizer),
            kept: Mutex::default(),
        })
    }

    /// What follows a constraint from its beginning.
    ///
    /// # Errors
    /// [`Error::Request`] that says what of it, and where, is not supported or too much; [`Error::NoThread`].
    pub(crate) fn compile(&self, constraint: &Constraint) -> Result<Follower, Error> {
        let Constraint { field, language } = constraint;
        let compiled = self.on_a_thread(|| {
            bounds::check(language)?;
            match language {
                Language::JsonSchema(schema) => self.schema(schema),
                other => self.matcher(grammar(other)?),
            }
        })?;
        let matcher =
            compiled.map_err(|reason| Error::request(field, format!("`{field}` {reason}")))?;
        Ok(Follower::new(field, matcher))
    }

    /// What follows an answer that must call tools of the conversation, or whose calls must be what the schemas of tools
    /// allow; nothing where calls are free. Arguments of a tool that is named `loose` are any object where its schema is not
    /// supported.
    ///
    /// # Errors
    /// As [`Self::compile`], of the tool's parameters.
    pub(crate) fn compile_calls(
        &self,
        format: CallFormat,
        conversation: &Conversation,
        loose: &[String],
    ) -> Result<Option<Follower>, Error> {
        let compiled = self.with_tools(conversation, loose, |conversation| {
            let written = calls::grammar(format, conversation, &self.tokenizer)?;
            written
                .map(|grammar| self.matcher(TopLevelGrammar::from_lark(grammar)))
                .transpose()
        })?;
        let matcher = compiled.map_err(|reason| Error::request("tools", reason))?;
        Ok(matcher.map(|matcher| Follower::new("tools", matcher)))
    }

    /// What follows an answer that is one call or several of the conversation's tools, or keeps to a constraint; of calls that
    /// need not be strict the arguments are any object.
    ///
    /// # Errors
    /// As [`Self::compile`] and [`Self::compile_calls`], and for a constraint that cannot be told from calls.
    pub(crate) fn compile_either(
        &self,
        format: CallFormat,
        conversation: &Conversation,
        loose: &[String],
        constraint: &Constraint,
    ) -> Result<Follower, Error> {
        let Constraint { field, language } = constraint;
        if let Some(reason) = either::refusal(format, language) {
            return Err(Error::request(field, format!("`{field}` {reason}")));
        }
        let compiled = self.with_tools(conversation, loose, |conversation| {
            bounds::check(language)?;
            self.matcher(either(format, conversation, &self.tokenizer, language)?)
        })?;
        match compiled {
            Ok(matcher) => Ok(Follower::new(field, matcher)),
            Err(reason) => {
                // Whichever cannot be compiled alone is to blame.
                self.compile(constraint)?;
                Err(Error::request("tools", reason))
            }
        }
    }

    /// What is compiled for a conversation, or for one whose `loose` tools take any object.
    fn with_tools<T: Send>(
        &self,
        conversation: &Conversation,
        loose: &[String],
        compile: impl Fn(&Conversation) -> Result<T, String> + Sync,
    ) -> Result<Result<T, String>, Error> {
        self.on_a_thread(|| {
            compile(conversation).or_else(|refused| {
                let loosened = calls::loosened(conversation, loose, |parameters| {
                    self.anew(schema_grammar(parameters)).is_ok()
                });
                let (held, compiled) = match &loosened {
                    Some(loosened) => (loosened, compile(loosened)),
                    None => (conversation, Err(refused)),
                };
                compiled.map_err(|refused| self.refused_tool(held).unwrap_or(refused))
            })
        })
    }

    /// Why the parameters of a tool cannot be compiled, with its name and the place; nothing where those of each can, alone.
    fn refused_tool(&self, conversation: &Conversation) -> Option<String> {
        let tools = calls::offered(conversation).ok()?;
        let mut held = tools.iter().filter(|tool| tool.is_held);
        held.find_map(|tool| {
            let reason = self.anew(schema_grammar(&tool.parameters)).err()?;
            let reason = self.placed(&tool.parameters, &reason);
            Some(calls::of_tool(tool.name, &reason))
        })
    }

    fn on_a_thread<T: Send>(
        &self,
        compile: impl FnOnce() -> Result<T, String> + Send,
    ) -> Result<Result<T, String>, Error> {
        thread::scope(|scope| {
            let thread = thread::Builder::new()
                .name("constraint".into())
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, compile)
                .map_err(Error::NoThread)?;
            Ok(thread
                .join()
                .unwrap_or_else(|_| Err("cannot be compiled".to_owned())))
        })
    }

    fn schema(&self, schema: &Value) -> Result<Matcher, String> {
        let plain = schema::checked(schema)?;
        let compiled = self.matcher(schema_grammar(&plain));
        compiled.map_err(|reason| self.placed(&plain, &reason))
    }

    /// Why a schema cannot be compiled, with the place of the smallest within it that cannot either.
    fn placed(&self, schema: &Value, reason: &str) -> String {
        let place = schema::place_of(schema, |part| {
            self.anew(schema_grammar(part)).err().as_deref() == Some(reason)
        });
        format!("is not supported at `{place}`: {reason}")
    }

    /// One of those that are kept, or a new one that then is.
    fn matcher(&self, grammar: TopLevelGrammar) -> Result<Matcher, String> {
        let key = serde_json::to_string(&grammar).map_err(|error| error.to_string())?;
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |kept: &VecDeque<(String, Matcher)>| kept.iter().position(|one| one.0 == key);
        {
            let mut kept = kept();
            if let Some(known) = known(&kept).and_then(|at| kept.remove(at)) {
                // Nothing of one answer's automaton is another's.
                let matcher = known.1.deep_clone();
                kept.push_back(known);
                return Ok(matcher);
            }
        }
        let matcher = self.anew(grammar)?;
        let mut kept = kept();
        if known(&kept).is_none() {
            kept.push_back((key, matcher.deep_clone()));
        }
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(matcher)
    }

    fn anew(&self, grammar: TopLevelGrammar) -> Result<Matcher, String> {
        let parser = self.factory.create_parser(grammar);
        let mut matcher = Matcher::new(parser);
        if let Some(error) = matcher.get_error() {
            return Err(first_line(&error));
        }
        // What cannot even begin is found now.
        matcher
            .compute_mask()
            .map_err(|error| first_line(&error.to_string()))?;
        Ok(matcher)
    }
}

#[cfg(test)]
impl Grammars {
    /// How many are kept.
    pub(super) fn kept(&self) -> usize {
        self.kept.lock().unwrap().len()
    }
}

/// What is not for people follows in lines of its own.
fn first_line(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    line.strip_prefix("panic: ").unwrap_or(line).to_owned()
}

pub(super) fn grammar(language: &Language) -> Result<TopLevelGrammar, String> {
    match language {
        Language::JsonObject => Ok(schema_grammar(&json!({ "type": "object" }))),
        Language::JsonSchema(schema) => Ok(schema_grammar(schema)),
        Language::Regex(pattern) => {
            lark::check_pattern(pattern)?;
            Ok(TopLevelGrammar::from_regex(lark::unanchored(pattern)))
        }
        Language::Lark(source) => {
            lark::check(source)?;
            Ok(TopLevelGrammar::from_lark(source.clone()))
        }
        Language::Gbnf(source) => Ok(TopLevelGrammar::from_lark(gbnf::to_lark(source)?)),
        Language::Choice(choices) => {
            let choices: Vec<_> = choices.iter().map(|choice| lark::literal(choice)).collect();
            let source = format!("start: {}", choices.join(" | "));
            Ok(TopLevelGrammar::from_lark(source))
        }
    }
}

pub(super) fn schema_grammar(schema: &Value) -> TopLevelGrammar {
    let grammar = GrammarWithLexer::from_json_schema(with_blanks(schema.clone()));
    TopLevelGrammar::from_grammar(grammar)
}

/// A schema, which must be an object, whose JSON has [`BLANKS`].
pub(super) fn with_blanks(mut schema: Value) -> Value {
    let options = JsonCompileOptions {
        whitespace_pattern: Some(BLANKS.to_owned()),
        ..JsonCompileOptions::default()
    };
    options.apply_to(&mut schema);
    schema
}
