//! Code blocks, with classes that say what a word of them is.
//!
//! Every line is written by itself: no element goes over its end. So what is shown of a block that grows never changes
//! but for its last line, and the lines before need not be read again. Grammars are Sublime Text's and bat's, which were
//! made for what people write: what takes too long, or is too long, stays plain from there on.

mod scopes;

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use comrak::html::escape;
use comrak::nodes::NodeCodeBlock;
use syntect::parsing::{ParseState, ScopeStack, SyntaxReference, SyntaxSet};

use super::{Html, SCROLLS, guarded};

/// Bytes of a block, and of a line.
const LONGEST_BLOCK: usize = 64 << 10;
const LONGEST_LINE: usize = 200;
/// For all blocks of a text. The first of a language takes most of it, for the grammar.
pub(super) const MOST_TIME: Duration = Duration::from_secs(1);
/// Bytes of the blocks that are remembered, and about those of where one goes on.
const MEMORY: usize = 4 << 20;
const STATE: usize = 2 << 10;

static GRAMMARS: LazyLock<SyntaxSet> = LazyLock::new(two_face::syntax::extra_newlines);

/// What models call languages that the grammars name otherwise.
const ALIASES: [(&str, &str); 9] = [
    ("console", "bash"),
    ("csharp", "cs"),
    ("golang", "go"),
    ("jsonc", "json"),
    ("objective-c", "m"),
    ("python3", "python"),
    ("shell", "bash"),
    ("vb", "vb.net"),
    ("zsh", "bash"),
];

pub(super) fn write(html: &mut Html<'_, '_, '_>, code: &NodeCodeBlock) -> fmt::Result {
    html.cr()?;
    html.write_str("<figure class=\"code\">")?;
    let language = code.info.split([' ', ',']).next().unwrap_or_default();
    if !language.is_empty() {
        html.write_str("<figcaption>")?;
        html.escape(language)?;
        html.write_str("</figcaption>")?;
    }
    write!(html, "<pre dir=\"ltr\" {SCROLLS}><code>")?;
    match grammar(language) {
        Some(grammar) => {
            let coloured = coloured(grammar, &code.literal, &mut html.user.time)?;
            html.write_str(&coloured)?;
        }
        None => html.escape(&code.literal)?,
    }
    html.write_str("</code></pre></figure>\n")
}

fn grammar(language: &str) -> Option<&'static SyntaxReference> {
    let alias = |(name, _): &&(&str, &str)| name.eq_ignore_ascii_case(language);
    let name = ALIASES
        .iter()
        .find(alias)
        .map_or(language, |(_, name)| name);
    // "Plain Text" has nothing to say.
    let grammar = GRAMMARS.find_syntax_by_token(name)?;
    (!name.is_empty() && grammar.name != "Plain Text").then_some(grammar)
}

/// The HTML of a block. Its last line may still be growing.
fn coloured(
    grammar: &'static SyntaxReference,
    code: &str,
    time: &mut Duration,
) -> Result<String, fmt::Error> {
    let ended = code.strip_suffix('\n').unwrap_or(code);
    let last = ended.rfind('\n').map_or(0, |end| end + 1);
    let mut lines = recall(grammar, &code[..last]).unwrap_or_else(|| Lines::new(grammar));
    for line in code[lines.text.len()..last].split_inclusive('\n') {
        lines.push(line, time)?;
    }
    let mut growing = Lines {
        state: lines.state.clone(),
        ..Lines::new(grammar)
    };
    growing.push(&code[last..], time)?;
    let html = format!("{}{}", lines.html, growing.html);
    remember(lines);
    Ok(html)
}

/// Lines of a block that are coloured, and how to go on.
struct Lines {
    grammar: &'static SyntaxReference,
    text: String,
    html: String,
    /// Nothing from where the rest is plain.
    state: Option<(ParseState, ScopeStack)>,
}

impl Lines {
    fn new(grammar: &'static SyntaxReference) -> Self {
        Self {
            grammar,
            text: String::new(),
            html: String::new(),
            state: Some((ParseState::new(grammar), ScopeStack::new())),
        }
    }

    fn push(&mut self, line: &str, time: &mut Duration) -> fmt::Result {
        match self.colour(line, time) {
            Some(html) => self.html.push_str(&html),
            None => escape(&mut self.html, line)?,
        }
        self.text.push_str(line);
        Ok(())
    }

    fn colour(&mut self, line: &str, time: &mut Duration) -> Option<String> {
        let (mut parser, mut scopes) = self.state.take()?;
        let fits = line.len() <= LONGEST_LINE && self.text.len() + line.len() <= LONGEST_BLOCK;
        if !fits || time.is_zero() {
            return None;
        }
        let began = Instant::now();
        let html = guarded(|| {
            let words = parser.parse_line(line, &GRAMMARS).ok()?;
            scopes::html(line, &words, &mut scopes)
        })?;
        *time = time.saturating_sub(began.elapsed());
        self.state = Some((parser, scopes));
        Some(html)
    }
}

/// Blocks that were written last, of which the newest often grows and all are wanted again when their page is.
static REMEMBERED: Mutex<VecDeque<Lines>> = Mutex::new(VecDeque::new());

/// Takes the longest beginning of a block that is remembered.
fn recall(grammar: &SyntaxReference, code: &str) -> Option<Lines> {
    let mut remembered = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
    let begins =
        |lines: &Lines| lines.grammar.name == grammar.name && code.starts_with(&lines.text);
    let known = remembered
        .iter()
        .enumerate()
        .filter(|(_, lines)| begins(lines));
    let (index, _) = known.max_by_key(|(_, lines)| lines.text.len())?;
    remembered.remove(index)
}

fn remember(lines: Lines) {
    if lines.text.is_empty() {
        return;
    }
    let mut remembered = REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner);
    remembered.push_back(lines);
    let bytes = |lines: &Lines| lines.text.len() + lines.html.len() + STATE;
    let mut whole: usize = remembered.iter().map(bytes).sum();
    while whole > MEMORY
        && let Some(oldest) = remembered.pop_front()
    {
        whole -= bytes(&oldest);
    }
}

#[cfg(test)]
mod tests;
