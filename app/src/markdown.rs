//! Markdown of a model to HTML that is safe in our pages.
//!
//! What a model writes is foreign text. Its HTML is shown as text, its links keep only schemes that cannot run
//! anything, its images become links, so that no answer loads anything from anywhere, and no `style` attribute is
//! written, which the pages' policy would block. Its headings go below those of the page and skip no level, whatever
//! levels the model took, and what would be announced without a name (an empty heading, link or column head) is not.

use std::iter::Peekable;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use pulldown_cmark_escape::{escape_href, escape_html};

const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH);

/// Renders Markdown.
#[must_use]
pub fn to_html(markdown: &str) -> String {
    Outline::default().to_html(markdown)
}

/// The headings that are open where a piece of a longer text begins.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// Levels as the text writes them, each deeper than the one before.
    open: Vec<HeadingLevel>,
}

impl Outline {
    /// Renders the next piece.
    #[must_use]
    pub fn to_html(&mut self, markdown: &str) -> String {
        let events = Filter {
            events: Parser::new_ext(markdown, OPTIONS).peekable(),
            next: None,
            outline: self,
            links: Vec::new(),
        };
        let mut html = String::with_capacity(markdown.len() * 3 / 2);
        pulldown_cmark::html::push_html(&mut html, events);
        html
    }

    /// The level of the page for a heading of the text. The page has its own first two levels; the text's follow
    /// without a gap.
    fn place(&mut self, written: HeadingLevel) -> HeadingLevel {
        self.open.retain(|&open| open < written);
        self.open.push(written);
        match self.open.len() {
            1 => HeadingLevel::H3,
            2 => HeadingLevel::H4,
            3 => HeadingLevel::H5,
            _ => HeadingLevel::H6,
        }
    }
}

/// Where the last top-level block begins: what stands before it no longer changes when text is appended, but for
/// links whose definition is still to come. A line without its end says nothing yet: `|` after a table is a paragraph
/// until it becomes a row.
#[must_use]
pub fn last_block(markdown: &str) -> usize {
    let markdown = &markdown[..markdown.rfind('\n').map_or(0, |end| end + 1)];
    let mut depth = 0_usize;
    let mut start = 0;
    for (event, Range { start: at, .. }) in Parser::new_ext(markdown, OPTIONS).into_offset_iter() {
        if depth == 0 {
            start = at;
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    // An indented block's range begins after its indentation, which belongs to it.
    markdown[..start].rfind('\n').map_or(0, |line| line + 1)
}

/// Rewrites the events that the stock renderer would turn into more than we allow.
struct Filter<'a, 'o> {
    events: Peekable<Parser<'a>>,
    /// Follows what was returned last, before any other event.
    next: Option<Event<'a>>,
    outline: &'o mut Outline,
    /// For each link or image that is open: whether it was written.
    links: Vec<bool>,
}

impl<'a> Iterator for Filter<'a, '_> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        if let Some(event) = self.next.take() {
            return Some(event);
        }
        Some(match self.events.next()? {
            Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
            Event::Start(tag) => self.open(tag),
            Event::End(tag) => self.close(tag),
            event => event,
        })
    }
}

impl<'a> Filter<'a, '_> {
    fn open(&mut self, tag: Tag<'a>) -> Event<'a> {
        match tag {
            Tag::HtmlBlock => Event::Start(Tag::Paragraph),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.open_link(&dest_url),
            Tag::CodeBlock(kind) => open_code(&kind),
            Tag::Heading { .. } if self.at_end() => self.skip_end(""),
            Tag::Heading { level, .. } => Event::Start(Tag::Heading {
                level: self.outline.place(level),
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            }),
            Tag::Table(columns) => {
                let columns = columns
                    .iter()
                    .map(|_| pulldown_cmark::Alignment::None)
                    .collect();
                self.next = Some(Event::Start(Tag::Table(columns)));
                raw(format!("<div class=\"table\" {SCROLLS}>"))
            }
            Tag::TableCell if self.at_end() => self.skip_end("<td></td>"),
            tag => Event::Start(tag),
        }
    }

    fn close(&mut self, tag: TagEnd) -> Event<'a> {
        match tag {
            TagEnd::HtmlBlock => Event::End(TagEnd::Paragraph),
            TagEnd::Link | TagEnd::Image => {
                let written = self.links.pop().unwrap_or(false);
                raw(if written { "</a>" } else { "" })
            }
            TagEnd::CodeBlock => raw("</code></pre></figure>\n"),
            TagEnd::Table => {
                self.next = Some(raw("</div>\n"));
                Event::End(tag)
            }
            // Placed when it began: the innermost that is open.
            TagEnd::Heading(level) => Event::End(TagEnd::Heading(self.outline.place(level))),
            tag => Event::End(tag),
        }
    }

    fn open_link(&mut self, address: &str) -> Event<'a> {
        // A link inside a link, as around an image, is not HTML.
        let written = is_allowed(address) && !self.links.contains(&true);
        self.links.push(written);
        if !written {
            return raw("");
        }
        let mut html = String::from("<a rel=\"noopener noreferrer nofollow\" href=\"");
        // Writing to a string cannot fail.
        let _ = escape_href(&mut html, address);
        html.push_str("\">");
        if self.at_end() {
            let _ = escape_html(&mut html, address);
        }
        raw(html)
    }

    /// Whether what has just begun has nothing in it.
    fn at_end(&mut self) -> bool {
        matches!(self.events.peek(), Some(Event::End(_)))
    }

    fn skip_end(&mut self, instead: &'static str) -> Event<'a> {
        self.events.next();
        raw(instead)
    }
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

fn open_code<'a>(kind: &CodeBlockKind<'_>) -> Event<'a> {
    let mut html = String::from("<figure class=\"code\">");
    if let CodeBlockKind::Fenced(info) = kind
        && let Some(language) = info
            .split([' ', ','])
            .next()
            .filter(|word| !word.is_empty())
    {
        html.push_str("<figcaption>");
        let _ = escape_html(&mut html, language);
        html.push_str("</figcaption>");
    }
    raw(format!("{html}<pre {SCROLLS}><code>"))
}

fn raw<'a>(html: impl Into<CowStr<'a>>) -> Event<'a> {
    Event::InlineHtml(html.into())
}

#[cfg(test)]
mod tests;
