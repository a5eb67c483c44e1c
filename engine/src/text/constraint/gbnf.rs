//! Grammars in llama.cpp's syntax, GBNF, as grammars in Lark's.
//!
//! A matcher reads terminals first, longest match wins, and rules of terminals then. GBNF knows no such floors. So whatever
//! is not recursive becomes a terminal, as large as it can be: a grammar without recursion is one regular expression, and in
//! one with it the texts may be fewer, where a terminal would have had to end before its longest match, but never others.

mod parse;

use std::collections::BTreeMap;
use std::fmt::Write;

use self::parse::{Node, parse};
use super::lark::literal;

/// The most rules of a grammar, whose chains are followed link by link.
const MAX_RULES: usize = 1000;

/// # Errors
/// What is no GBNF, with its line: the reason alone.
pub(super) fn to_lark(source: &str) -> Result<String, String> {
    let rules = parse(source)?;
    if rules.len() > MAX_RULES {
        let found = rules.len();
        return Err(format!("may have {MAX_RULES} rules, found {found}"));
    }
    if !rules.contains_key("root") {
        return Err("must have a rule `root`, found none".to_owned());
    }
    let mut writer = Writer::new(&rules)?;
    let root = writer.name("root");
    let mut lark = format!("start: {root}\n");
    for (name, node) in &rules {
        let written = match writer.is_recursive(name) {
            true => writer.rule(node),
            false => writer.terminal(node),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(lark, "{}: {written}", writer.name(name));
    }
    lark.push_str(&writer.terminals);
    Ok(lark)
}

struct Writer<'r> {
    /// By name: the place of the rule, and whether it leads back to itself.
    rules: BTreeMap<&'r str, (usize, bool)>,
    /// Those that parts of rules have become.
    terminals: String,
    parts: usize,
}

impl<'r> Writer<'r> {
    fn new(rules: &'r BTreeMap<String, Node>) -> Result<Self, String> {
        let mut leads: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, node) in rules {
            let names = leads.entry(name).or_default();
            node.names(names);
            if let Some(missing) = names.iter().find(|name| !rules.contains_key(**name)) {
                return Err(format!(
                    "names the rule `{missing}`, which it does not have"
                ));
            }
        }
        let recursive = recursive(&leads);
        let rules = rules.keys().enumerate();
        let rules = rules.map(|(at, name)| (name.as_str(), (at, recursive[name.as_str()])));
        Ok(Self {
            rules: rules.collect(),
            terminals: String::new(),
            parts: 0,
        })
    }

    fn is_recursive(&self, name: &str) -> bool {
        self.rules[name].1
    }

    /// Terminals are in capitals.
    fn name(&self, name: &str) -> String {
        match self.rules[name] {
            (at, true) => format!("r{at}"),
            (at, false) => format!("R{at}"),
        }
    }

    fn is_regular(&self, node: &Node) -> bool {
        let mut names = Vec::new();
        node.names(&mut names);
        !names.iter().any(|name| self.is_recursive(name))
    }

    /// A node of which nothing is recursive.
    fn terminal(&self, node: &Node) -> String {
        match node {
            Node::Text(text) => literal(text),
            Node::Class(class) => format!("/{class}/"),
            Node::Rule(name) => self.name(name),
            Node::Sequence(nodes) if nodes.is_empty() => literal(""),
            Node::Sequence(nodes) => join(nodes, " ", |node| self.terminal(node)),
            Node::Choice(nodes) => join(nodes, " | ", |node| self.terminal(node)),
            Node::Repeat(node, least, most) => repeat(&self.terminal(node), *least, *most),
        }
    }

    fn rule(&mut self, node: &Node) -> String {
        if self.is_regular(node) {
            return self.part(&self.terminal(node));
        }
        match node {
            Node::Sequence(nodes) => {
                let mut written = Vec::new();
                let mut rest = &nodes[..];
                while let Some(first) = rest.first() {
                    let regular = rest.iter().take_while(|node| self.is_regular(node));
                    let (run, behind) = rest.split_at(regular.count().max(1));
                    rest = behind;
                    written.push(match self.is_regular(first) {
                        true => self.part(&join(run, " ", |node| self.terminal(node))),
                        false => self.rule(first),
                    });
                }
                format!("({})", written.join(" "))
            }
            Node::Choice(nodes) => {
                let written: Vec<_> = nodes.iter().map(|node| self.rule(node)).collect();
                format!("({})", written.join(" | "))
            }
            Node::Repeat(node, least, most) => repeat(&self.rule(node), *least, *most),
            Node::Rule(name) => self.name(name),
            Node::Text(_) | Node::Class(_) => self.terminal(node),
        }
    }

    /// A terminal of its own.
    fn part(&mut self, written: &str) -> String {
        let name = format!("P{}", self.parts);
        self.parts += 1;
        // Writing to a text cannot fail.
        let _ = writeln!(self.terminals, "{name}: {written}");
        name
    }
}

fn join(nodes: &[Node], between: &str, write: impl Fn(&Node) -> String) -> String {
    if let [one] = nodes {
        return write(one);
    }
    let written: Vec<_> = nodes.iter().map(write).collect();
    format!("({})", written.join(between))
}

fn repeat(written: &str, least: u32, most: Option<u32>) -> String {
    match (least, most) {
        (0, None) => format!("({written})*"),
        (1, None) => format!("({written})+"),
        (0, Some(1)) => format!("({written})?"),
        (_, None) => format!("({written}){{{least},}}"),
        (_, Some(most)) => format!("({written}){{{least},{most}}}"),
    }
}

/// Which rules lead back to themselves, or to one that does.
fn recursive<'n>(leads: &BTreeMap<&'n str, Vec<&'n str>>) -> BTreeMap<&'n str, bool> {
    // Whoever leads to none but the plain is plain; what never becomes so is recursive.
    let mut recursive: BTreeMap<&str, bool> = leads.keys().map(|name| (*name, true)).collect();
    loop {
        let plain: Vec<_> = leads
            .iter()
            .filter(|(name, to)| recursive[*name] && !to.iter().any(|to| recursive[to]))
            .map(|(name, _)| *name)
            .collect();
        if plain.is_empty() {
            return recursive;
        }
        for name in plain {
            recursive.insert(name, false);
        }
    }
}
