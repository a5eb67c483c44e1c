//! Markdown of a model to HTML that is safe in our pages.
//!
//! What a model writes is foreign text. Its HTML is shown as text but for line breaks, its links keep only schemes that
//! cannot run anything, its images become links, so that no answer loads anything from anywhere, and no `style`
//! attribute is written, which the pages' policy would block. Its headings go below those of the page and skip no
//! level, whatever levels the model took, and what would be announced without a name (an empty heading, link or column
//! head) is not. Every block has the direction of its own text.

mod code;
mod direction;
mod footnotes;
mod formula;
mod links;
mod lists;
mod mathml;
mod tables;

use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::Duration;

use comrak::html::{ChildRendering, Context, format_document_with_formatter, format_node_default};
use comrak::nodes::{Node, NodeValue};
use comrak::options::{Extension, Parse, Plugins, Render};
use comrak::{Arena, Options, parse_document};

use self::footnotes::Notes;
use crate::language::Language;

/// Of most texts.
static OPTIONS: LazyLock<Options<'static>> = LazyLock::new(|| options(true));
/// Of a text with more formulas in brackets than are read: for the end of each the parser looks through all of it.
static WITHOUT_BRACKETS: LazyLock<Options<'static>> = LazyLock::new(|| options(false));
const MOST_BRACKETS: usize = 1000;

/// Emphasis as writers of Chinese, Japanese and Korean expect it, who put no space beside their punctuation. Footnotes
/// stay where they are written: a page that streams has sent what stands above.
fn options(math_latex: bool) -> Options<'static> {
    Options {
        extension: Extension {
            autolink: true,
            cjk_friendly_emphasis: true,
            footnotes: true,
            math_dollars: true,
            math_latex,
            strikethrough: true,
            table: true,
            tasklist: true,
            ..Extension::default()
        },
        parse: Parse {
            escaped_char_spans: true,
            leave_footnote_definitions: true,
            ..Parse::default()
        },
        render: Render {
            escape: true,
            ..Render::default()
        },
    }
}

fn options_of(markdown: &str) -> &'static Options<'static> {
    let brackets = markdown.matches(r"\(").count() + markdown.matches(r"\[").count();
    match brackets > MOST_BRACKETS {
        true => &WITHOUT_BRACKETS,
        false => &OPTIONS,
    }
}

/// Renders a whole answer. The ids in it begin with `id`, which must be that of no other answer of the page.
#[must_use]
pub fn to_html(t: Language, markdown: &str, id: &str) -> String {
    Outline::new(t).render(markdown, Some(id))
}

/// The headings that are open where a piece of a longer text begins.
#[derive(Clone, Debug)]
pub struct Outline {
    t: Language,
    /// Levels as the text writes them, each deeper than the one before.
    open: Vec<u8>,
}

impl Outline {
    /// Of a text on a page in this language.
    #[must_use]
    pub fn new(t: Language) -> Self {
        let open = Vec::new();
        Self { t, open }
    }

    /// Renders the next piece, in which footnotes are not linked: what they belong to may be in another.
    #[must_use]
    pub fn to_html(&mut self, markdown: &str) -> String {
        self.render(markdown, None)
    }

    fn render(&mut self, markdown: &str, id: Option<&str>) -> String {
        let arena = Arena::new();
        let options = options_of(markdown);
        let root = parse_document(&arena, markdown, options);
        let piece = Piece {
            lines: markdown.lines().collect(),
            outline: self.clone(),
            links: Vec::new(),
            column: 0,
            notes: id.map(|id| Notes::of(root, id)),
            time: code::MOST_TIME,
        };
        let mut html = String::with_capacity(markdown.len() * 3 / 2);
        let plugins = Plugins::default();
        let piece =
            format_document_with_formatter(root, options, &mut html, &plugins, write_node, piece);
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
/// links and footnotes whose definition is still to come. A line without its end says nothing yet: `|` after a table is
/// a paragraph until it becomes a row.
#[must_use]
pub fn last_block(markdown: &str) -> usize {
    let markdown = &markdown[..markdown.rfind('\n').map_or(0, |end| end + 1)];
    let arena = Arena::new();
    let last = parse_document(&arena, markdown, options_of(markdown)).last_child();
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
    /// Of the next cell in its row of a table.
    column: usize,
    /// In a whole text.
    notes: Option<Notes>,
    /// Left for colouring code.
    time: Duration,
}

type Html<'o, 'c, 'm> = Context<'o, 'c, Piece<'m>>;
type Written = Result<ChildRendering, fmt::Error>;

/// A scrolling box must be reachable by keyboard.
const SCROLLS: &str = "tabindex=\"0\"";

/// Writes what the stock renderer would turn into more than we allow, or without its direction, and leaves the rest
/// to it.
fn write_node(html: &mut Html<'_, '_, '_>, node: Node<'_>, entering: bool) -> Written {
    match &node.data().value {
        NodeValue::Paragraph => write_paragraph(html, node, entering)?,
        NodeValue::BlockQuote => write_quote(html, node, entering)?,
        NodeValue::List(list) => lists::write(html, node, *list, entering)?,
        NodeValue::Item(_) => lists::write_item(html, node, None, entering)?,
        NodeValue::TaskItem(task) => {
            lists::write_item(html, node, Some(task.symbol.is_some()), entering)?;
        }
        NodeValue::Heading(_) if node.first_child().is_none() => {}
        NodeValue::Heading(heading) => write_heading(html, heading.level, entering)?,
        NodeValue::HtmlBlock(block) if entering => {
            html.write_str("<p dir=\"auto\">")?;
            write_breaks(html, &block.literal)?;
            html.write_str("</p>\n")?;
        }
        NodeValue::CodeBlock(code) if entering => code::write(html, code)?,
        NodeValue::HtmlBlock(_) | NodeValue::CodeBlock(_) => {}
        NodeValue::Table(_) => tables::write(html, node, entering)?,
        NodeValue::TableRow(_) => {
            html.user.column = 0;
            return format_node_default(html, node, entering);
        }
        NodeValue::TableCell => tables::write_cell(html, node, entering)?,
        NodeValue::FootnoteDefinition(note) => footnotes::write(html, node, &note.name, entering)?,
        _ => return write_inline(html, node, entering),
    }
    Ok(ChildRendering::HTML)
}

fn write_inline(html: &mut Html<'_, '_, '_>, node: Node<'_>, entering: bool) -> Written {
    match &node.data().value {
        NodeValue::Link(link) | NodeValue::Image(link) => {
            return links::write(html, node, &link.url, entering);
        }
        NodeValue::HtmlInline(_)
        | NodeValue::Code(_)
        | NodeValue::FootnoteReference(_)
        | NodeValue::Escaped
        | NodeValue::Math(_)
            if !entering => {}
        NodeValue::HtmlInline(text) => write_breaks(html, text)?,
        NodeValue::Code(code) => {
            html.write_str("<code dir=\"ltr\">")?;
            html.escape(&code.literal)?;
            html.write_str("</code>")?;
        }
        NodeValue::FootnoteReference(reference) => footnotes::write_reference(html, reference)?,
        NodeValue::Escaped if formula::is_mark(node) => html.write_str("\\")?,
        NodeValue::Escaped => {}
        NodeValue::Math(math) => formula::write(html, node, math)?,
        _ => return format_node_default(html, node, entering),
    }
    Ok(ChildRendering::HTML)
}

fn write_quote(html: &mut Html<'_, '_, '_>, node: Node<'_>, entering: bool) -> fmt::Result {
    html.cr()?;
    if entering {
        writeln!(html, "<blockquote dir=\"{}\">", direction::of(node))
    } else {
        html.write_str("</blockquote>\n")
    }
}

/// In a list without blank lines the item itself is the paragraph.
fn write_paragraph(html: &mut Html<'_, '_, '_>, node: Node<'_>, entering: bool) -> fmt::Result {
    if direction::is_tight(node) {
        let follows = entering && node.previous_sibling().is_some();
        return if follows { html.cr() } else { Ok(()) };
    }
    if entering {
        html.cr()?;
        return html.write_str("<p dir=\"auto\">");
    }
    html.write_str("</p>\n")
}

fn write_heading(html: &mut Html<'_, '_, '_>, written: u8, entering: bool) -> fmt::Result {
    // At its end it is the innermost that is open, and placed as at its beginning.
    let level = html.user.outline.place(written);
    if entering {
        html.cr()?;
        write!(html, "<h{level} dir=\"auto\">")
    } else {
        writeln!(html, "</h{level}>")
    }
}

/// HTML as text, in which only tags that break a line, as models write them in cells of tables, are what they say.
fn write_breaks(html: &mut Html<'_, '_, '_>, text: &str) -> fmt::Result {
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

/// What a library makes of foreign text; nothing where that uncovers a bug of the library.
fn guarded<T>(work: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok().flatten()
}

#[cfg(test)]
mod tests;
