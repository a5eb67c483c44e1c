//! How deep the source of a template nests, which is found before anything recursive reads it.
//!
//! The template engine parses, compiles and frees expressions and blocks by recursion, and bounds only some of it. Here
//! a template is a flat list of tokens: every operator is taken to hold what is before it in the same brackets, which is
//! as deep as a tree can get.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Error, ErrorKind};

use super::super::scopes::opens_a_scope;

/// Four times as long as any template that is known.
const MAX_BYTES: usize = 256 << 10;
/// The templates of published models nest 30 deep at most.
pub(super) const MAX_NESTING: usize = 500;
/// The most that is written between two brackets.
const MAX_LISTED: usize = 1_000;

/// # Errors
/// When a template is longer or deeper than it may be, or writes down too long a list.
pub(super) fn check(source: &str, syntax: SyntaxConfig) -> Result<(), Error> {
    if source.len() > MAX_BYTES {
        return refused("has at most", MAX_BYTES, "bytes", source.len(), None);
    }
    let tokens = tokenize(source, false, syntax).map_while(Result::ok);
    let mut nesting = Nesting::default();
    let mut tag = Vec::new();
    for (token, place) in tokens {
        let line = Some(place.start_line);
        nesting.read(&token);
        match token {
            Token::BlockStart => tag.clear(),
            Token::BlockEnd => nesting.end_tag(&tag),
            token => tag.push(token),
        }
        if nesting.depth() > MAX_NESTING {
            return refused("nests at most", MAX_NESTING, "deep", nesting.depth(), line);
        }
        if nesting.listed() > MAX_LISTED {
            let found = nesting.listed();
            return refused("lists at most", MAX_LISTED, "values at a time", found, line);
        }
    }
    Ok(())
}

fn refused(
    what: &str,
    limit: usize,
    unit: &str,
    found: usize,
    line: Option<u16>,
) -> Result<(), Error> {
    let place = line.map_or(String::new(), |line| format!(" in line {line}"));
    let reason = format!("`chat_template` {what} {limit} {unit}, found {found}{place}");
    Err(Error::new(ErrorKind::SyntaxError, reason))
}

/// Where a template has been read to.
#[derive(Default)]
struct Nesting {
    /// For each block that is open, how deep its branches nest in each other.
    blocks: Vec<usize>,
    /// The brackets that are open, the outermost first; the tag itself counts as one.
    brackets: Vec<Bracket>,
}

/// What stands between two brackets.
#[derive(Default)]
struct Bracket {
    /// Since the last comma.
    operators: usize,
    /// How deep the deepest brackets since the last comma were.
    inside: usize,
    /// How deep the deepest part before the last comma was.
    before: usize,
    commas: usize,
}

impl Bracket {
    fn depth(&self) -> usize {
        self.before.max(self.operators + self.inside)
    }
}

impl Nesting {
    fn read(&mut self, token: &Token<'_>) {
        match token {
            Token::BlockStart | Token::VariableStart => self.brackets = vec![Bracket::default()],
            Token::BlockEnd | Token::VariableEnd | Token::TemplateData(_) => self.brackets.clear(),
            // A call holds what is called.
            Token::BracketOpen | Token::ParenOpen | Token::BraceOpen => {
                self.operator();
                self.brackets.push(Bracket::default());
            }
            Token::BracketClose | Token::ParenClose | Token::BraceClose => {
                let closed = self.brackets.pop().unwrap_or_default().depth();
                if let Some(around) = self.brackets.last_mut() {
                    around.inside = around.inside.max(closed);
                }
            }
            Token::Comma => {
                if let Some(bracket) = self.brackets.last_mut() {
                    *bracket = Bracket {
                        before: bracket.depth(),
                        commas: bracket.commas + 1,
                        ..Bracket::default()
                    };
                }
            }
            Token::Ident("and" | "or" | "not" | "is" | "in" | "if" | "else") => self.operator(),
            Token::Ident(_) | Token::Str(_) | Token::String(_) => {}
            Token::Int(_) | Token::Int128(_) | Token::Float(_) => {}
            _ => self.operator(),
        }
    }

    fn operator(&mut self) {
        if let Some(bracket) = self.brackets.last_mut() {
            bracket.operators += 1;
        }
    }

    /// Takes in a whole tag without its ends.
    fn end_tag(&mut self, tag: &[Token<'_>]) {
        let Some(Token::Ident(name)) = tag.first() else {
            return;
        };
        match *name {
            "elif" => {
                if let Some(branches) = self.blocks.last_mut() {
                    *branches += 1;
                }
            }
            "set" if !opens_a_scope(tag) => {}
            "for" | "if" | "with" | "set" | "filter" | "macro" | "call" | "autoescape"
            | "block" | "generation" => {
                self.blocks.push(1);
            }
            name if name.starts_with("end") => drop(self.blocks.pop()),
            _ => {}
        }
    }

    fn depth(&self) -> usize {
        let brackets = self.brackets.iter().rev();
        let in_tag = brackets.fold(0, |depth, bracket| {
            bracket.operators + bracket.inside.max(depth)
        });
        self.blocks.iter().sum::<usize>() + in_tag
    }

    fn listed(&self) -> usize {
        self.brackets.last().map_or(0, |bracket| bracket.commas)
    }
}
