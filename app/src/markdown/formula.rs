//! Formulas in LaTeX as MathML, which browsers set by themselves. What the library does not know, and what is too long
//! for a formula, stays as it was written, as code; money stays text.

use std::fmt::{self, Write};
use std::sync::LazyLock;

use comrak::nodes::{Node, NodeMath};
use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};

use super::{Html, SCROLLS, guarded, mathml};

/// In bytes.
const LONGEST: usize = 4096;
/// Levels of nesting, for each of which the library calls itself.
const DEEPEST: usize = 48;

/// What models write and the library does not know. Colours are left out, since no page knows which it can bear.
const MACROS: [(&str, &str); 4] = [
    (
        "boxed",
        r"\begin{array}{|c|}\hline\displaystyle #1\end{array}",
    ),
    ("substack", r"\begin{matrix}#1\end{matrix}"),
    ("tag", r"\qquad(#1)"),
    ("textcolor", "#2"),
];

/// Environments whose lines LaTeX numbers through a whole paper, and an answer had better not.
const NUMBERED: [&str; 4] = ["align", "equation", "gather", "multline"];

static LIBRARY: LazyLock<LatexToMathML> = LazyLock::new(|| {
    let macros = MACROS.map(|(name, meaning)| (name.to_owned(), meaning.to_owned()));
    let config = MathCoreConfig {
        macros: macros.to_vec(),
        ..MathCoreConfig::default()
    };
    LatexToMathML::new(config).expect("our macros are LaTeX")
});

/// Whether a character that was escaped is a mark of a formula whose other mark is missing, or in another block.
pub(super) fn is_mark(escaped: Node<'_>) -> bool {
    matches!(escaped.collect_text().as_str(), "(" | ")" | "[" | "]")
}

pub(super) fn write(html: &mut Html<'_, '_, '_>, node: Node<'_>, math: &NodeMath) -> fmt::Result {
    let (open, close) = marks(html, node, math.display_math);
    let formula = &math.literal;
    if open == "$" && is_money(formula) {
        html.write_str(open)?;
        html.escape(formula)?;
        return html.write_str(close);
    }
    match converted(formula, math.display_math) {
        Some(mathml) if math.display_math => {
            write!(html, "<span class=\"formula\" {SCROLLS}>{mathml}</span>")
        }
        Some(mathml) => html.write_str(&mathml),
        None => {
            write!(html, "<code dir=\"ltr\">{open}")?;
            html.escape(formula)?;
            write!(html, "{close}</code>")
        }
    }
}

/// What a formula stands between. The parser takes it away and tells dollars from brackets no more; the text does.
fn marks(html: &Html<'_, '_, '_>, node: Node<'_>, display: bool) -> (&'static str, &'static str) {
    let start = node.data().sourcepos.start;
    let line = html.user.lines.get(start.line - 1);
    let in_brackets = line.and_then(|line| line.as_bytes().get(start.column - 1)) == Some(&b'\\');
    match (in_brackets, display) {
        (true, false) => ("\\(", "\\)"),
        (true, true) => ("\\[", "\\]"),
        (false, false) => ("$", "$"),
        (false, true) => ("$$", "$$"),
    }
}

/// Whether what stands between two dollars is rather money, as in `$20 in cash (US$)`: it begins with a digit, and has
/// a word in it or a bracket that it does not close.
fn is_money(text: &str) -> bool {
    let word = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let separators = [' ', ',', '.', ';', ':', '-', '–', '/'];
    text.starts_with(|first: char| first.is_ascii_digit())
        && (text.split(separators).any(word)
            || text.matches('(').count() != text.matches(')').count())
}

fn converted(formula: &str, display: bool) -> Option<String> {
    if formula.len() > LONGEST || nesting(formula) > DEEPEST {
        return None;
    }
    let mut latex = formula.to_owned();
    for name in NUMBERED {
        latex = latex.replace(&format!("{{{name}}}"), &format!("{{{name}*}}"));
    }
    let display = match display {
        true => MathDisplay::Block,
        false => MathDisplay::Inline,
    };
    let converted = guarded(|| LIBRARY.convert_with_local_state(&latex, display).ok())?;
    mathml::checked(&converted.mathml)
}

/// How deep a formula nests at most: groups, and commands in a row, each of which may be what the one before applies to.
fn nesting(formula: &str) -> usize {
    let (mut groups, mut row, mut most) = (0_usize, 0, 0);
    let mut rest = formula;
    while let Some(next) = rest.chars().next() {
        let letters = |text: &str| text.bytes().take_while(u8::is_ascii_alphabetic).count();
        let length = match next {
            '\\' => 1 + letters(&rest[1..]).max(rest[1..].chars().next().map_or(0, char::len_utf8)),
            _ => next.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        match token {
            "{" | "[" | "\\left" | "\\begin" => groups += 1,
            "}" | "]" | "\\right" | "\\end" => groups = groups.saturating_sub(1),
            _ => {}
        }
        row = match token {
            " " | "\n" | "{" => row,
            "^" | "_" => row + 1,
            _ if next == '\\' => row + 1,
            _ => 0,
        };
        most = most.max(groups + row);
    }
    most
}

#[cfg(test)]
mod tests;
