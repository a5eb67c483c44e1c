//! The syntax of GBNF.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::bounds::MAX_DEPTH;

/// The most times that something may be repeated, where that has a bound.
const MAX_REPEATS: u32 = 2000;

/// A part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Text(String),
    /// One character, as a class of a regular expression.
    Class(String),
    Rule(String),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    /// At least so many times, and at most.
    Repeat(Box<Node>, u32, Option<u32>),
}

impl Node {
    /// Adds the rules that it names.
    pub(super) fn names<'n>(&'n self, names: &mut Vec<&'n str>) {
        match self {
            Self::Text(_) | Self::Class(_) => {}
            Self::Rule(name) => names.push(name),
            Self::Sequence(nodes) | Self::Choice(nodes) => {
                nodes.iter().for_each(|node| node.names(names));
            }
            Self::Repeat(node, ..) => node.names(names),
        }
    }
}

/// The rules by their names.
///
/// # Errors
/// What is no GBNF, with its line: the reason alone.
pub(super) fn parse(source: &str) -> Result<BTreeMap<String, Node>, String> {
    let mut reader = Reader {
        source,
        at: 0,
        depth: 0,
    };
    let mut rules = BTreeMap::new();
    loop {
        reader.skip(true);
        if reader.rest().is_empty() {
            return Ok(rules);
        }
        let name = reader.name()?;
        reader.skip(false);
        reader.expect("::=")?;
        reader.skip(true);
        let node = reader.choice(false)?;
        reader.skip(false);
        if !reader.rest().is_empty() && !reader.rest().starts_with(['\n', '\r']) {
            return Err(reader.unexpected("the end of a rule"));
        }
        if rules.insert(name.clone(), node).is_some() {
            return Err(format!("has two rules `{name}`"));
        }
    }
}

struct Reader<'s> {
    source: &'s str,
    at: usize,
    /// Brackets that are open.
    depth: usize,
}

impl<'s> Reader<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn accepts(&mut self, text: &str) -> bool {
        let accepted = self.rest().starts_with(text);
        self.at += if accepted { text.len() } else { 0 };
        accepted
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        match self.accepts(text) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{text}`"))),
        }
    }

    fn unexpected(&self, wanted: &str) -> String {
        let line = self.source[..self.at].matches('\n').count() + 1;
        match self.rest().chars().next() {
            Some(found) => format!("must have {wanted} in line {line}, found {found:?}"),
            None => format!("must have {wanted} in line {line}, where it ends"),
        }
    }

    /// Passes over blanks and remarks; over ends of lines where these mean nothing.
    fn skip(&mut self, lines: bool) {
        loop {
            let rest = self.rest();
            if rest.starts_with([' ', '\t']) || lines && rest.starts_with(['\n', '\r']) {
                self.at += 1;
            } else if rest.starts_with('#') {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else {
                return;
            }
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let is_part =
            |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
        let rest = self.rest();
        let end = rest.find(|character| !is_part(character));
        let name = &rest[..end.unwrap_or(rest.len())];
        if name.is_empty() {
            return Err(self.unexpected("the name of a rule"));
        }
        self.at += name.len();
        Ok(name.to_owned())
    }

    /// Within brackets a rule may go over several lines, and so it may behind a bar.
    fn choice(&mut self, nested: bool) -> Result<Node, String> {
        let mut choices = vec![self.sequence(nested)?];
        loop {
            self.skip(nested);
            if !self.accepts("|") && !self.accepts_bar_in_next_line() {
                break;
            }
            self.skip(true);
            choices.push(self.sequence(nested)?);
        }
        Ok(match choices.len() {
            1 => choices.remove(0),
            _ => Node::Choice(choices),
        })
    }

    fn accepts_bar_in_next_line(&mut self) -> bool {
        let before = self.at;
        self.skip(true);
        let accepted = self.accepts("|");
        if !accepted {
            self.at = before;
        }
        accepted
    }

    fn sequence(&mut self, nested: bool) -> Result<Node, String> {
        let mut nodes = Vec::new();
        // The first may stand in the line behind.
        self.skip(nested);
        while let Some(node) = self.one()? {
            nodes.push(self.repeated(node)?);
            self.skip(nested);
        }
        Ok(match nodes.len() {
            1 => nodes.remove(0),
            _ => Node::Sequence(nodes),
        })
    }

    fn one(&mut self) -> Result<Option<Node>, String> {
        Ok(Some(match self.rest().chars().next() {
            Some('"') => self.text()?,
            Some('[') => self.class()?,
            Some('.') => {
                self.at += 1;
                Node::Class(r"[\x{0}-\x{10FFFF}]".to_owned())
            }
            Some('(') => {
                self.at += 1;
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(format!("may be nested {MAX_DEPTH} deep, found more"));
                }
                let node = self.choice(true)?;
                self.skip(true);
                self.expect(")")?;
                self.depth -= 1;
                node
            }
            Some(other) if other.is_ascii_alphanumeric() || other == '_' => {
                Node::Rule(self.name()?)
            }
            _ => return Ok(None),
        }))
    }

    fn repeated(&mut self, node: Node) -> Result<Node, String> {
        let (least, most) = match self.rest().chars().next() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => return self.counted(node),
            _ => return Ok(node),
        };
        self.at += 1;
        self.repeated(Node::Repeat(Box::new(node), least, most))
    }

    fn counted(&mut self, node: Node) -> Result<Node, String> {
        let counts = self.rest().split_once('}').map(|(counts, _)| &counts[1..]);
        let unexpected = |reader: &Self| {
            let wanted = format!("`{{m}}`, `{{m,}}` or `{{m,n}}`, up to {MAX_REPEATS},");
            Err(reader.unexpected(&wanted))
        };
        let Some(counts) = counts else {
            return unexpected(self);
        };
        let number = |text: &str| text.trim().parse().ok().filter(|n: &u32| *n <= MAX_REPEATS);
        let (least, most) = match counts.split_once(',') {
            None => (number(counts), number(counts).map(Some)),
            Some((least, most)) if most.trim().is_empty() => (number(least), Some(None)),
            Some((least, most)) => (number(least), number(most).map(Some)),
        };
        let (Some(least), Some(most)) = (least, most) else {
            return unexpected(self);
        };
        if most.is_some_and(|most| most < least) {
            return unexpected(self);
        }
        self.at += counts.len() + 2;
        self.repeated(Node::Repeat(Box::new(node), least, most))
    }

    fn text(&mut self) -> Result<Node, String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.rest().chars().next() {
                Some('"') => break,
                None | Some('\n') => return Err(self.unexpected("the end of a text")),
                _ => text.push(self.character()?),
            }
        }
        self.at += 1;
        Ok(Node::Text(text))
    }

    fn class(&mut self) -> Result<Node, String> {
        self.at += 1;
        let mut class = String::from(if self.accepts("^") { "[^" } else { "[" });
        let empty = class.len();
        while !self.accepts("]") {
            if self.rest().is_empty() || self.rest().starts_with('\n') {
                return Err(self.unexpected("`]`"));
            }
            let first = self.character()?;
            let is_range = self.rest().starts_with('-') && !self.rest().starts_with("-]");
            let last = match is_range {
                true => {
                    self.at += 1;
                    self.character()?
                }
                false => first,
            };
            if last < first {
                return Err(self.unexpected("a range of characters that goes up"));
            }
            // Writing to a text cannot fail.
            let _ = write!(class, r"\x{{{:X}}}-\x{{{:X}}}", first as u32, last as u32);
        }
        if class.len() == empty {
            return Err(self.unexpected("a character between `[` and `]`"));
        }
        class.push(']');
        Ok(Node::Class(class))
    }

    /// A character, perhaps written as an escape.
    fn character(&mut self) -> Result<char, String> {
        let begin = self.at;
        self.character_there_is().ok_or_else(|| {
            self.at = begin;
            self.unexpected("a character")
        })
    }

    fn character_there_is(&mut self) -> Option<char> {
        let first = self.next()?;
        if first != '\\' {
            return Some(first);
        }
        let digits = match self.next()? {
            'n' => return Some('\n'),
            'r' => return Some('\r'),
            't' => return Some('\t'),
            itself @ ('\\' | '"' | '[' | ']' | '-' | '^') => return Some(itself),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => return None,
        };
        let code = self.rest().get(..digits)?;
        let code = u32::from_str_radix(code, 16).ok()?;
        self.at += digits;
        char::from_u32(code)
    }
}
