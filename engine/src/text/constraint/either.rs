//! Calls of tools beside a form: an answer is then one call or several, or a text of a language.
//!
//! The two are alternatives of one grammar, and a matcher takes the longest terminal that it can. So texts that begin like a
//! call are cut into the same terminals, or are no texts of the language, or the two are refused together.

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use llguidance::regex_to_lark;

use super::calls::{self, escaped, mark};
use super::grammars::{grammar, schema_grammar};
use super::{Language, lark, schema};
use crate::text::calls::CallFormat;
use crate::text::conversation::Conversation;
use crate::text::tokenizer::Tokenizer;

/// What begins as a call that is the whole answer.
const BARE_CALL: &str = r#"[ \t\r\n]*\{[ \t\r\n]*"name"(?s:.)*"#;

/// A grammar of the answers that are calls of the conversation's tools, or texts of a language.
///
/// # Errors
/// What of the language or of a tool's parameters is not supported: the reason alone.
pub(super) fn either(
    format: CallFormat,
    conversation: &Conversation,
    tokenizer: &Tokenizer,
    language: &Language,
) -> Result<TopLevelGrammar, String> {
    let made = match (format, language) {
        (CallFormat::Bare, Language::JsonObject | Language::JsonSchema(_)) => {
            calls::demanded_among_json(conversation, tokenizer)?
        }
        _ => calls::demanded(format, conversation, tokenizer)?,
    };
    let mut form = form(format, tokenizer, language)?;
    form.name = Some("form".to_owned());
    let mut either = TopLevelGrammar::from_lark(format!("start: made | @form\n{made}"));
    either.grammars.push(form);
    Ok(either)
}

/// Why a language cannot stand beside calls that are written so, and could without: the reason alone.
pub(super) fn refusal(format: CallFormat, language: &Language) -> Option<String> {
    let is_grammar = matches!(language, Language::Lark(_) | Language::Gbnf(_));
    (is_grammar && format == CallFormat::Bare).then(|| {
        "is a grammar, and this model writes calls of `tools` without a mark that tells them from its texts: the two \
         cannot be honoured together; with `tool_choice` none the tools are left out"
            .to_owned()
    })
}

/// The grammar of the texts.
fn form(
    format: CallFormat,
    tokenizer: &Tokenizer,
    language: &Language,
) -> Result<GrammarWithLexer, String> {
    let mut grammar = match language {
        Language::JsonSchema(given) => schema_grammar(&schema::checked(given)?),
        Language::Regex(pattern) => {
            lark::check_pattern(pattern)?;
            let pattern = regex_to_lark(lark::unanchored(pattern), "");
            let but = match call_like(format, tokenizer) {
                Some(call) => format!(" & ~/{call}/"),
                None => String::new(),
            };
            TopLevelGrammar::from_lark(format!("start: TEXT\nTEXT: /{pattern}/{but}\n"))
        }
        other => grammar(other)?,
    };
    // There is only one.
    Ok(grammar.grammars.swap_remove(0))
}

/// An expression of the texts that begin like calls; nothing where a token that no text has tells them apart. Texts that go on
/// like one are not left out: beside a bounded repetition that takes more than a matcher may.
fn call_like(format: CallFormat, tokenizer: &Tokenizer) -> Option<String> {
    if format == CallFormat::Bare {
        return Some(BARE_CALL.to_owned());
    }
    let opening = format.opening();
    let is_control = mark(opening, tokenizer).is_control;
    (!is_control).then(|| format!("{}(?s:.)*", escaped(opening)))
}
