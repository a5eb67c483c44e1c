//! Markdown of a model to HTML that is safe in our pages.
//!
//! What a model writes is foreign text. Its HTML is shown as text but for line breaks, its links keep only schemes that
//! cannot run anything, its images become links, so that no answer loads anything from anywhere, and no `style`
//! attribute is written, which the pages' policy would block. Its headings go below those of the page and skip no
//! level, whatever levels the model took, and what would be announced without a name (an empty heading, link or column
//! head) is not. Formulas keep their text as it was written, marks included.

use std::fmt::{self, Write};
use std::mem;
use std::sync::LazyLock;

use comrak::html::{ChildRendering, Context, format_document_with_formatter, format_node_default};
use comrak::nodes::{Node, NodeCodeBlock, NodeMath, NodeValue};
use comrak::options::{Extension, Parse, Plugins, Render};
use comrak::{Arena, Options, parse_document};

/// Emphasis as writers of Chinese, Japanese and Korean expect it, who put no space beside their punctuation.
static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| Options {
    extension: Extension {
        table: true,
        strikethrough: true,
        cjk_friendly_emphasis: true,
        math_dollars: true,
        math_latex: true,
        ..Extension::default()
    },
    parse: Parse {
        escaped_char_spans: true,
        ..Parse::default()
    },
    render: Render {
        escape: true,
        ..Render::default()
    },
});

/// Renders Markdown.
#[must_use]
pub fn to_html(markdown: &str) -> String {
    Outline::default().to_html(markdown)
}

/// The headings that are open where a piece of a longer text begins.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// Levels as the text writes them, each deeper than the one before.
    open: Vec<u8>,
}

impl Outline {
    /// Renders the next piece.
    #[must_use]
    pub fn to_html(&mut self, markdown: &str) -> String {
        let arena = Arena::new();
        let root = parse_document(&arena, markdown, &OPTIONS);
        let piece = Piece {
            lines: markdown.lines().collect(),
            outline: mem::take(self),
            links: Vec::new(),
        };
        let mut html = String::with_capacity(markdown.len() * 3 / 2);
        let plugins = Plugins::default();
        let piece =
            format_document_with_formatter(root, &OPTIONS, &mut html, &plugins, write_node, piece);
        *self = piece.expect("writing to a string cannot fail").outline;
        html
    }

    /// The level of the page for a heading of the text. The page has its own first two levels; the text's follow
    /// without a gap.
    fn place(&mut self, written: u8) -> usize {
        self.open.retain(|&open| open < written);
        self.open.push(written);
        (self.open.len() + 2).min(6)
    }
}

/// Where the last top-level block begins: what stands before it no longer changes when text is appended, but for
/// links whose definition is still to come. A line without its end says nothing yet: `|` after a table is a paragraph
/// until it becomes a row.
#[must_use]
pub fn last_block(markdown: &str) -> usize {
    let markdown = &markdown[..markdown.rfind('\n').map_or(0, |end| end + 1)];
    let arena = Arena::new();
    let last = parse_document(&arena, markdown, &OPTIONS).last_child();
    let above = last.map_or(0, |block| block.data().sourcepos.start.line - 1);
    markdown
        .split_inclusive('\n')
        .take(above)
        .map(str::len)
        .sum()
}

/// What is known while a piece of text is written as HTML.
struct Piece<'m> {
    lines: Vec<&'m str>,
    outline: Outline,
    /// For each link or image that is open: whether it was written.
    links: Vec<bool>,
}

type Written = Result<ChildRendering, fmt::Error>;

/// Writes what the stock renderer would turn into more than we allow, and leaves the rest to it.
fn write_node(html: &mut Context<'_, '_, Piece<'_>>, node: Node<'_>, entering: bool) -> Written {
    match &node.data().value {
        NodeValue::HtmlInline(text) if entering => write_breaks(html, text)?,
        NodeValue::HtmlBlock(block) if entering => {
            html.write_str("<p>")?;
            write_breaks(html, &block.literal)?;
            html.write_str("</p>\n")?;
        }
        NodeValue::HtmlInline(_) | NodeValue::HtmlBlock(_) => {}
        NodeValue::Link(link) | NodeValue::Image(link) => {
            write_link(html, node, &link.url, entering)?;
        }
        NodeValue::CodeBlock(code) if entering => write_code(html, code)?,
        NodeValue::CodeBlock(_) => {}
        NodeValue::Heading(_) if node.first_child().is_none() => {}
        NodeValue::Heading(heading) => {
            // At its end it is the innermost that is open, and placed as at its beginning.
            let level = html.user.outline.place(heading.level);
            let (slash, end) = if entering { ("", "") } else { ("/", "\n") };
            write!(html, "<{slash}h{level}>{end}")?;
        }
        NodeValue::Table(_) if entering => {
            write!(html, "<div class=\"table\" {SCROLLS}>")?;
            return format_node_default(html, node, entering);
        }
        NodeValue::Table(_) => {
            format_node_default(html, node, entering)?;
            html.write_str("</div>\n")?;
        }
        NodeValue::TableCell => write_cell(html, node, entering)?,
        NodeValue::Escaped if entering && marks_formula(node) => html.write_str("\\")?,
        NodeValue::Escaped => {}
        NodeValue::Math(math) if entering => write_formula(html, node, math)?,
        NodeValue::Math(_) => {}
        _ => return format_node_default(html, node, entering),
    }
    Ok(ChildRendering::HTML)
}

/// HTML as text, in which only tags that break a line, as models write them in cells of tables, are what they say.
fn write_breaks(html: &mut Context<'_, '_, Piece<'_>>, text: &str) -> fmt::Result {
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        html.escape(before)?;
        let end = tag.find('>').map_or(tag.len(), |end| end + 1);
        let name = tag[..end].trim_matches(['<', '>', '/']).trim_ascii_end();
        if tag[..end].ends_with('>') && name.eq_ignore_ascii_case("br") {
            html.write_str("<br />")?;
        } else {
            html.escape(&tag[..end])?;
        }
        rest = &tag[end..];
    }
    html.escape(rest)
}

fn write_link(
    html: &mut Context<'_, '_, Piece<'_>>,
    node: Node<'_>,
    address: &str,
    entering: bool,
) -> fmt::Result {
    if !entering {
        let written = html.user.links.pop().unwrap_or(false);
        return html.write_str(if written { "</a>" } else { "" });
    }
    // A link inside a link, as around an image, is not HTML.
    let written = is_allowed(address) && !html.user.links.contains(&true);
    html.user.links.push(written);
    if !written {
        return Ok(());
    }
    html.write_str("<a rel=\"noopener noreferrer nofollow\" href=\"")?;
    html.escape_href(address)?;
    html.write_str("\">")?;
    if node.first_child().is_none() {
        html.escape(address)?;
    }
    Ok(())
}

fn is_allowed(address: &str) -> bool {
    address.split_once(':').is_some_and(|(scheme, _)| {
        ["http", "https", "mailto"]
            .iter()
            .any(|allowed| scheme.eq_ignore_ascii_case(allowed))
    })
}

/// A scrolling box must be reachable by keyboard.
const SCROLLS: &str = "tabindex=\"0\"";

fn write_code(html: &mut Context<'_, '_, Piece<'_>>, code: &NodeCodeBlock) -> fmt::Result {
    html.cr()?;
    html.write_str("<figure class=\"code\">")?;
    let language = code.info.split([' ', ',']).next();
    if let Some(language) = language.filter(|word| !word.is_empty()) {
        html.write_str("<figcaption>")?;
        html.escape(language)?;
        html.write_str("</figcaption>")?;
    }
    write!(html, "<pre {SCROLLS}><code>")?;
    html.escape(&code.literal)?;
    html.write_str("</code></pre></figure>\n")
}

/// A head without text would be announced without a name.
fn write_cell(
    html: &mut Context<'_, '_, Piece<'_>>,
    node: Node<'_>,
    entering: bool,
) -> fmt::Result {
    let heads = |row: Node<'_>| matches!(row.data().value, NodeValue::TableRow(true));
    let head = node.parent().is_some_and(heads) && node.first_child().is_some();
    let name = if head { "th" } else { "td" };
    let slash = if entering { "" } else { "/" };
    write!(html, "<{slash}{name}>")
}

/// Whether a character that was escaped is a mark of a formula whose other mark is missing, or in another block.
fn marks_formula(escaped: Node<'_>) -> bool {
    matches!(escaped.collect_text().as_str(), "(" | ")" | "[" | "]")
}

/// A formula as it was written. The parser takes its marks away and tells dollars from brackets no more; the text does.
fn write_formula(
    html: &mut Context<'_, '_, Piece<'_>>,
    node: Node<'_>,
    math: &NodeMath,
) -> fmt::Result {
    let start = node.data().sourcepos.start;
    let line = html.user.lines.get(start.line - 1).copied();
    let in_brackets = line.and_then(|line| line.as_bytes().get(start.column - 1)) == Some(&b'\\');
    let (open, close) = match (in_brackets, math.display_math) {
        (true, false) => ("\\(", "\\)"),
        (true, true) => ("\\[", "\\]"),
        (false, false) => ("$", "$"),
        (false, true) => ("$$", "$$"),
    };
    html.write_str(open)?;
    html.escape(&math.literal)?;
    html.write_str(close)
}

#[cfg(test)]
mod tests;
