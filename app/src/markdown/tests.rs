use proptest::prelude::*;

use super::*;

fn html(markdown: &str) -> String {
    super::to_html(Language::English, markdown, "run-1")
}

/// Without the directions, which have tests of their own.
fn to_html(markdown: &str) -> String {
    ["auto", "ltr", "rtl"]
        .iter()
        .fold(html(markdown), |html, direction| {
            html.replace(&format!(" dir=\"{direction}\""), "")
        })
}

/// Whether another's judgement of what a page may hold takes nothing away.
fn is_clean(html: &str) -> bool {
    let clean = ammonia::Builder::default()
        .add_generic_attributes(["aria-label", "class", "dir", "id", "role", "tabindex"])
        .add_tags(["figure", "figcaption"])
        .add_tags(mathml::ELEMENTS)
        .add_generic_attributes(mathml::ATTRIBUTES)
        .add_tag_attributes("a", ["rel"])
        .link_rel(None)
        .clean(html)
        .to_string();
    plainly(html) == plainly(&clean)
}

/// Without the differences in writing that mean nothing.
fn plainly(html: &str) -> String {
    html.replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace(" />", ">")
        .replace("&nbsp;", "\u{a0}")
        .replace("\r\n", "\n")
        .replace('\r', "\n")
}

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "text <b onclick='x()'>bold</b> <svg/onload=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](&#x6A;avascript&#58;alert(1))",
    "[a]( javascript:alert(1))",
    "[a](data:text/html,<script>1</script>)",
    "[a](vbscript:x)",
    "<javascript:alert(1)>",
    "![x](https://tracker.example/pixel.gif)",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "[a](https://e.example/\"onmouseover=\"alert(1))",
    "[a](https://e.example 'title\" onclick=x')",
    "```\"><script>alert(1)</script>\nx\n```",
    "``` a\"onclick=x\n```",
    "| a |\n|:-:|\n| <iframe src=x> |",
    "<div style='position:fixed'>\n\n# x\n\n</div>",
    "[a]: javascript:alert(1)\n\n[a]",
    "[![a](https://a.example)](https://b.example)",
    "[![a](javascript:x)](https://b.example)",
    "<form action=/api/send><input name=x></form>",
    "- [ ] <input type=checkbox>",
    "<a href=https://e.example>x</a>",
    "&lt;script&gt;&#60;script&#62;",
];

#[test]
fn hostile_text_stays_text() {
    for text in HOSTILE {
        let html = html(text);
        assert!(is_clean(&html), "`{text}` became `{html}`");
        for forbidden in [
            "<script",
            "<img",
            "<svg",
            "<iframe",
            "<form",
            "<input",
            " style=\"",
        ] {
            assert!(
                !html.to_lowercase().contains(forbidden),
                "`{text}` became `{html}`"
            );
        }
        assert!(
            !html.to_lowercase().contains("href=\"javascript"),
            "`{text}` became `{html}`"
        );
    }
}

#[test]
fn the_judge_of_these_tests_sees_what_is_unsafe() {
    assert!(!is_clean("<a href=\"javascript:alert(1)\">a</a>"));
    assert!(!is_clean("<p onclick=\"x\">a</p>"));
    assert!(!is_clean("<p style=\"x\">a</p>"));
    assert!(!is_clean("<iframe></iframe>"));
}

#[test]
fn html_is_shown_as_text() {
    assert_eq!(to_html("a <b>c</b>"), "<p>a &lt;b&gt;c&lt;/b&gt;</p>\n");
    assert_eq!(to_html("<div>\n"), "<p>&lt;div&gt;\n</p>\n");
}

#[test]
fn links_say_nothing_about_the_page_they_leave() {
    assert_eq!(
        to_html("[a](https://e.example/?a=1&b=2)"),
        "<p><a rel=\"noopener noreferrer nofollow\" href=\"https://e.example/?a=1&amp;b=2\">a</a></p>\n"
    );
}

#[test]
fn links_of_other_schemes_and_into_this_site_are_plain_text() {
    for text in [
        "[a](/api/reset)",
        "[a](ftp://x)",
        "[a](#b)",
        "[a](//e.example)",
    ] {
        assert_eq!(to_html(text), "<p>a</p>\n", "{text}");
    }
}

#[test]
fn an_image_becomes_a_link_with_its_text() {
    assert_eq!(
        to_html("![a cat](https://e.example/c.png)"),
        "<p><a rel=\"noopener noreferrer nofollow\" href=\"https://e.example/c.png\">a cat</a></p>\n"
    );
}

#[test]
fn code_keeps_its_language_and_its_text() {
    assert_eq!(
        to_html("```rust,ignore\nlet a = b < c;\n```"),
        "<figure class=\"code\"><figcaption>rust</figcaption><pre tabindex=\"0\"><code>\
         <span class=\"keyword\">let</span> a = b &lt; c;\n\
         </code></pre></figure>\n"
    );
}

#[test]
fn headings_stand_below_those_of_the_page_and_skip_no_level() {
    for (levels, placed) in [
        (&[1][..], &[3][..]),
        (&[2], &[3]),
        (&[6], &[3]),
        (&[1, 3, 6], &[3, 4, 5]),
        (&[2, 4, 2, 3], &[3, 4, 3, 4]),
        (&[3, 1, 2], &[3, 3, 4]),
        (&[1, 2, 3, 4, 5, 6], &[3, 4, 5, 6, 6, 6]),
        (&[4, 4, 6, 5], &[3, 3, 4, 4]),
    ] {
        let text: String = levels
            .iter()
            .map(|&level| format!("{} a\n", "#".repeat(level)))
            .collect();
        let html: String = placed
            .iter()
            .map(|level| format!("<h{level}>a</h{level}>\n"))
            .collect();
        assert_eq!(to_html(&text), html, "{levels:?}");
    }
}

#[test]
fn headings_in_quotes_and_lists_are_part_of_the_outline() {
    let html = to_html("> ### a\n\n- # b\n\n## c\n");
    for part in ["<h3>a</h3>", "<h3>b</h3>", "<h4>c</h4>"] {
        assert!(html.contains(part), "no {part} in {html}");
    }
}

#[test]
fn nothing_is_announced_without_a_name() {
    assert_eq!(to_html("#\n\n## a\n"), "<h3>a</h3>\n");
    assert_eq!(
        to_html("![](https://e.example/c.png)"),
        "<p><a rel=\"noopener noreferrer nofollow\" href=\"https://e.example/c.png\">https://e.example/c.png</a></p>\n"
    );
    let table = to_html("| | a |\n|---|---|\n| b | c |\n");
    assert!(table.contains("<tr><td></td><th>a</th>\n</tr>"), "{table}");
    assert!(table.contains("<tr><td>b</td><td>c</td>\n</tr>"), "{table}");
}

#[test]
fn columns_are_aligned_by_classes() {
    let table = to_html("| a | b | c | d |\n|--:|:-:|:--|---|\n| 1 | 2 | 3 | 4 |\n");
    let row = |name: &str, cells: [&str; 4]| {
        let [a, b, c, d] = cells;
        format!(
            "<{name} class=\"right\">{a}</{name}><{name} class=\"center\">{b}</{name}>\
             <{name} class=\"left\">{c}</{name}><{name}>{d}</{name}>"
        )
    };
    assert!(table.contains(&row("th", ["a", "b", "c", "d"])), "{table}");
    assert!(table.contains(&row("td", ["1", "2", "3", "4"])), "{table}");
}

#[test]
fn lists_keep_their_numbers_and_their_paragraphs() {
    assert_eq!(
        to_html("3. x\n4. y\n   - z"),
        "<ol start=\"3\">\n<li>x</li>\n<li>y\n<ul>\n<li>z</li>\n</ul>\n</li>\n</ol>\n"
    );
    assert_eq!(
        to_html("- x\n\n- y"),
        "<ul>\n<li>\n<p>x</p>\n</li>\n<li>\n<p>y</p>\n</li>\n</ul>\n"
    );
}

#[test]
fn tasks_say_whether_they_are_done() {
    assert_eq!(
        to_html("- [x] a\n- [ ] b\n"),
        "<ul class=\"tasks\">\n\
         <li><span class=\"task done\" role=\"img\" aria-label=\"Done\">☑</span> a</li>\n\
         <li><span class=\"task\" role=\"img\" aria-label=\"To do\">☐</span> b</li>\n</ul>\n"
    );
}

#[test]
fn footnotes_are_linked_by_ids_of_their_answer() {
    let text = "a[^x] b[^y] c[^x]\n\n[^y]: Y\n\n[^x]: X\n\n[^z]: Z\n";
    let html = to_html(text);
    for part in [
        "a<sup><a href=\"#run-1-note-1\" id=\"run-1-reference-1\" aria-label=\"Footnote 1\">1</a></sup>",
        "c<sup><a href=\"#run-1-note-1\" aria-label=\"Footnote 1\">1</a></sup>",
        "<div class=\"footnote\" id=\"run-1-note-1\"><a href=\"#run-1-reference-1\" aria-label=\"Back to reference 1\">\
         1</a><div>\n<p>X</p>\n</div></div>",
        "<div class=\"footnote\"><span>z</span><div>\n<p>Z</p>\n</div></div>",
    ] {
        assert!(html.contains(part), "no `{part}` in `{html}`");
    }
    assert!(is_clean(&html), "{html}");
    let piece = Outline::new(Language::English).to_html(text);
    assert!(piece.contains(">a[^x] b[^y] c[^x]<"), "{piece}");
    assert!(!piece.contains(" id="), "{piece}");
}

#[test]
fn bare_addresses_are_links_to_their_end() {
    for (text, address, after) in [
        (
            "see https://e.example/a?b=1&c.",
            "https://e.example/a?b=1&amp;c",
            ".",
        ),
        ("(http://e.example)", "http://e.example/", ")"),
        (
            "见https://e.example/路，然后",
            "https://e.example/%E8%B7%AF",
            "，然后",
        ),
        ("a@e.example", "mailto:a@e.example", ""),
    ] {
        let html = to_html(text);
        let link = format!("<a rel=\"noopener noreferrer nofollow\" href=\"{address}\">");
        assert!(html.contains(&link), "`{text}` became `{html}`");
        assert!(
            html.ends_with(&format!("</a>{after}</p>\n")),
            "`{text}` became `{html}`"
        );
    }
    for text in [
        "ftp://e.example",
        "javascript://e.example/%0aalert(1)",
        "`https://e.example`",
    ] {
        assert!(!to_html(text).contains("<a"), "{text}");
    }
}

#[test]
fn every_block_has_the_direction_of_its_text() {
    for (text, expected) in [
        ("שלום", "<p dir=\"auto\">"),
        ("# שלום", "<h3 dir=\"auto\">"),
        ("- שלום", "<ul dir=\"rtl\">\n<li dir=\"auto\">"),
        (
            "- 1. `x` *مرحبا*\n\n- b",
            "<ul dir=\"rtl\">\n<li dir=\"rtl\">\n<ol dir=\"rtl\">\n<li dir=\"auto\">",
        ),
        ("- x שלום", "<ul dir=\"ltr\">"),
        ("> שלום", "<blockquote dir=\"rtl\">\n<p dir=\"auto\">"),
        ("> 1, 2", "<blockquote dir=\"auto\">"),
        (
            "| שלום |\n|---|\n| a |",
            "<div class=\"table\" dir=\"rtl\" tabindex=\"0\"><table>\n<thead>\n<tr><th dir=\"auto\">",
        ),
        ("`a`", "<code dir=\"ltr\">"),
        ("```\na\n```", "<pre dir=\"ltr\" tabindex=\"0\">"),
        ("$a$ שלום", "<p dir=\"auto\"><math dir=\"ltr\">"),
        ("<b>שלום</b>", "<p dir=\"auto\">"),
        ("[^1]: שלום", "<div class=\"footnote\" dir=\"rtl\">"),
    ] {
        let html = html(text);
        assert!(html.contains(expected), "`{text}` became `{html}`");
    }
}

#[test]
fn the_last_block_begins_where_text_can_still_change() {
    for (settled, open) in [
        ("", ""),
        ("", "one"),
        ("", "one\n\ntwo"),
        ("one\n\n", "two\n"),
        ("one\n\n", "```\ncode\n\nmore"),
        ("```\ncode\n```\n", "after\n"),
        ("# head\n", "text\n"),
        ("one\n\n", "- a\n- b\n\n  c"),
        ("- a\n\n", "b\n"),
        ("one\n\n", "    indented\n"),
        ("", "| a |\n|---|\n|"),
        ("é\n\n", "ü\n"),
    ] {
        assert_eq!(
            last_block(&format!("{settled}{open}")),
            settled.len(),
            "{open}"
        );
    }
}

#[test]
fn pieces_rendered_apart_equal_the_whole() {
    let whole = "## T\n\n### S\n\nOne *two*.\n\n- a\n- b\n\n```c\nint x;\n\ny\n```\n\n| a |\n|---|\n| b |\n\n> q\n\n- [x] שלום\n\n$$a^2$$\n\n```rust\nfn f() {\n    1\n}\n```\n\nend";
    let (mut settled, mut html) = (0, String::new());
    let mut outline = Outline::new(Language::English);
    for end in (0..=whole.len()).filter(|&end| whole.is_char_boundary(end)) {
        let start = settled + last_block(&whole[settled..end]);
        html.push_str(&outline.to_html(&whole[settled..start]));
        settled = start;
    }
    html.push_str(&outline.to_html(&whole[settled..]));
    assert_eq!(html, super::to_html(Language::English, whole, "run-1"));
}

#[test]
fn a_line_break_of_html_breaks_the_line() {
    let table = to_html("| a | b |\n|---|---|\n| x<br>y<BR/>z<br />w | <b>v</b> |\n");
    assert!(table.contains("<td>x<br />y<br />z<br />w</td>"), "{table}");
    assert!(table.contains("<td>&lt;b&gt;v&lt;/b&gt;</td>"), "{table}");
    assert_eq!(to_html("one<br>two"), "<p>one<br />two</p>\n");
    assert_eq!(
        to_html("<br>\ntwo <i>\n"),
        "<p><br />\ntwo &lt;i&gt;\n</p>\n"
    );
    for text in ["<br", "<brx>", "< br>", "`<br>`", "<br onclick=x>"] {
        let html = to_html(text);
        assert!(!html.contains("<br"), "`{text}` became `{html}`");
    }
}

#[test]
fn emphasis_beside_east_asian_punctuation_is_emphasis() {
    for (text, html) in [
        ("**重要：**请看", "<strong>重要：</strong>请看"),
        (
            "これは**「大事」**です",
            "これは<strong>「大事」</strong>です",
        ),
        ("**『本』**と", "<strong>『本』</strong>と"),
        ("请**（注意）**看", "请<strong>（注意）</strong>看"),
        ("请**【注意】**看", "请<strong>【注意】</strong>看"),
        ("**이것(this)**은", "<strong>이것(this)</strong>은"),
        ("*重要。*请", "<em>重要。</em>请"),
        ("***重要！***请", "<em><strong>重要！</strong></em>请"),
        ("~~旧：~~新", "<del>旧：</del>新"),
        ("请看 __重要：__ 了", "请看 <strong>重要：</strong> 了"),
        ("a**b,**c", "a**b,**c"),
    ] {
        assert_eq!(to_html(text), format!("<p>{html}</p>\n"));
    }
}

#[test]
fn what_takes_a_parser_long_is_bounded() {
    let formulas = r"\(a\) ".repeat(MOST_BRACKETS);
    assert_eq!(to_html(&formulas).matches("<math").count(), MOST_BRACKETS);
    let open = r"\(".repeat(MOST_BRACKETS + 1);
    assert_eq!(to_html(&open), format!("<p>{open}</p>\n"));
    let nested = "> ".repeat(10_000) + "a";
    assert!(html(&nested).starts_with("<blockquote dir=\"auto\">"));
}

/// Elements that are closed in turn.
fn is_well_formed(html: &str) -> bool {
    let mut open = Vec::new();
    for tag in html.split('<').skip(1) {
        let Some((tag, _)) = tag.split_once('>') else {
            return false;
        };
        let name = tag.split(' ').next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    open.is_empty()
}

#[test]
fn the_judge_of_form_sees_what_is_open() {
    assert!(is_well_formed("<p>a<br />b</p>"));
    for html in ["<p>", "</p>", "<p><b></p></b>", "<p"] {
        assert!(!is_well_formed(html), "{html}");
    }
}

/// What Markdown is made of, and what models and attackers make of it.
const PARTS: [&str; 46] = [
    "a",
    "שלום",
    " ",
    "\n",
    "\n\n",
    "    ",
    "- ",
    "1. ",
    "- [ ] ",
    "> ",
    "# ",
    "| ",
    "|---|:-:|",
    "```",
    "```rust\n",
    "`",
    "*",
    "**",
    "_",
    "~~",
    "[",
    "](",
    ")",
    "]",
    "![",
    "[^1]",
    "[^1]: ",
    "https://e.example/",
    "www.e.example",
    "a@e.example",
    "$",
    "$$",
    "\\(",
    "\\)",
    "\\[",
    "\\]",
    "\\frac{1}{2}",
    "\\begin{aligned}",
    "\\end{aligned}",
    "{",
    "}",
    "&",
    "<br>",
    "<script>",
    "javascript:",
    "\\",
];

proptest! {
    #[test]
    fn whatever_is_written_is_well_formed_and_safe(
        parts in proptest::collection::vec(
            prop_oneof![8 => proptest::sample::select(&PARTS[..]).prop_map(str::to_owned), 1 => ".{0,3}"], 0..40)
    ) {
        let text = parts.concat();
        let html = html(&text);
        prop_assert!(is_well_formed(&html), "`{}` became `{}`", text, html);
        prop_assert!(is_clean(&html), "`{}` became `{}`", text, html);
        let settled = last_block(&text);
        let mut outline = Outline::new(Language::English);
        let pieces = outline.to_html(&text[..settled]) + &outline.to_html(&text[settled..]);
        prop_assert!(is_well_formed(&pieces), "`{}` became `{}`", text, pieces);
    }
}
