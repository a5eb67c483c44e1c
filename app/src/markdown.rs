//! Markdown of a model to HTML that is safe in our pages.
//!
//! What a model writes is foreign text. Its HTML is shown as text, its links keep only schemes that cannot run
//! anything, its images become links, so that no answer loads anything from anywhere, and no `style` attribute is
//! written, which the pages' policy would block.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use pulldown_cmark_escape::{escape_href, escape_html};

const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH);

/// Renders Markdown.
#[must_use]
pub fn to_html(markdown: &str) -> String {
    let mut filter = Filter::default();
    let events = Parser::new_ext(markdown, OPTIONS).map(|event| filter.pass(event));
    let mut html = String::with_capacity(markdown.len() * 3 / 2);
    pulldown_cmark::html::push_html(&mut html, events);
    html
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
#[derive(Default)]
struct Filter {
    /// For each link or image that is open: whether it was written.
    links: Vec<bool>,
}

impl Filter {
    fn pass<'a>(&mut self, event: Event<'a>) -> Event<'a> {
        match event {
            Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
            Event::Start(tag) => self.open(tag),
            Event::End(tag) => self.close(tag),
            event => event,
        }
    }

    fn open<'a>(&mut self, tag: Tag<'a>) -> Event<'a> {
        match tag {
            Tag::HtmlBlock => Event::Start(Tag::Paragraph),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => self.open_link(&dest_url),
            Tag::CodeBlock(kind) => open_code(&kind),
            Tag::Heading { level, .. } => Event::Start(Tag::Heading {
                level: below_page(level),
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            }),
            Tag::Table(columns) => {
                let columns = columns
                    .iter()
                    .map(|_| pulldown_cmark::Alignment::None)
                    .collect();
                Event::Start(Tag::Table(columns))
            }
            tag => Event::Start(tag),
        }
    }

    fn close<'a>(&mut self, tag: TagEnd) -> Event<'a> {
        match tag {
            TagEnd::HtmlBlock => Event::End(TagEnd::Paragraph),
            TagEnd::Link | TagEnd::Image => {
                let written = self.links.pop().unwrap_or(false);
                raw(if written { "</a>" } else { "" })
            }
            TagEnd::CodeBlock => raw("</code></pre></figure>\n"),
            TagEnd::Heading(level) => Event::End(TagEnd::Heading(below_page(level))),
            tag => Event::End(tag),
        }
    }

    fn open_link<'a>(&mut self, address: &str) -> Event<'a> {
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
        raw(html)
    }
}

fn is_allowed(address: &str) -> bool {
    address.split_once(':').is_some_and(|(scheme, _)| {
        ["http", "https", "mailto"]
            .iter()
            .any(|allowed| scheme.eq_ignore_ascii_case(allowed))
    })
}

/// A scrolling box must be reachable by keyboard, hence the `tabindex`.
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
    html.push_str("<pre tabindex=\"0\"><code>");
    raw(html)
}

/// The page has its own first two levels.
fn below_page(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

fn raw<'a>(html: impl Into<CowStr<'a>>) -> Event<'a> {
    Event::InlineHtml(html.into())
}

#[cfg(test)]
mod tests;
