use super::*;

/// Whether another's judgement of what a page may hold takes nothing away.
fn is_clean(html: &str) -> bool {
    let clean = ammonia::Builder::default()
        .add_generic_attributes(["class", "tabindex"])
        .add_tags(["figure", "figcaption"])
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
        let html = to_html(text);
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
        "<figure class=\"code\"><figcaption>rust</figcaption><pre tabindex=\"0\"><code>let a = b &lt; c;\n\
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
fn tables_and_lists_are_rendered() {
    let html = to_html("| a | b |\n|--:|:-:|\n| 1 | 2 |\n\n1. x\n2. y");
    assert!(html.contains("<th>a</th><th>b</th>"), "{html}");
    assert!(
        html.contains("<ol>\n<li>x</li>\n<li>y</li>\n</ol>"),
        "{html}"
    );
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
    let whole = "## T\n\n### S\n\nOne *two*.\n\n- a\n- b\n\n```c\nint x;\n\ny\n```\n\n| a |\n|---|\n| b |\n\n> q\n\nend";
    let (mut settled, mut html) = (0, String::new());
    let mut outline = Outline::default();
    for end in (0..=whole.len()).filter(|&end| whole.is_char_boundary(end)) {
        let start = settled + last_block(&whole[settled..end]);
        html.push_str(&outline.to_html(&whole[settled..start]));
        settled = start;
    }
    html.push_str(&outline.to_html(&whole[settled..]));
    assert_eq!(html, to_html(whole));
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
fn formulas_keep_their_text() {
    for formula in [
        r"\( a_1 + b_1 \)",
        r"\(a*b*c\)",
        r"\[ \frac{1}{2} \\ x \]",
        r"\[ [a](b) \, ~c~ \]",
        "$a*b*c$",
        "$x_1$ and $x_2$",
        "$$ a_1 * b_1 * c_1 $$",
        "\\[\na_1\n= b_1 \\\\\n\\]",
        "$$\na*b*c\n$$",
    ] {
        assert_eq!(to_html(formula), format!("<p>{formula}</p>\n"));
        let item = to_html(&format!("- é {}", formula.replace('\n', "\n  ")));
        assert!(item.contains(formula), "`{formula}` became `{item}`");
        if !formula.contains('\n') {
            let cell = to_html(&format!("| a |\n|---|\n| é {formula} |"));
            assert!(cell.contains(formula), "`{formula}` became `{cell}`");
            let quote = to_html(&format!("> **é**\n> {formula} b"));
            assert!(quote.contains(formula), "`{formula}` became `{quote}`");
        }
    }
    assert_eq!(to_html(r"\( a_1 \* b"), "<p>\\( a_1 * b</p>\n");
    assert_eq!(
        to_html("\\[\n\na\n\n\\]"),
        "<p>\\[</p>\n<p>a</p>\n<p>\\]</p>\n"
    );
    assert_eq!(to_html(r"\(a<b\)"), "<p>\\(a&lt;b\\)</p>\n");
    assert_eq!(to_html(r"`\(a\)`"), "<p><code>\\(a\\)</code></p>\n");
}

#[test]
fn prices_are_no_formulas() {
    for (text, html) in [
        ("*$5* or *$10*", "<em>$5</em> or <em>$10</em>"),
        ("$5 to **$10** each", "$5 to <strong>$10</strong> each"),
        ("$5-$10 *each*, $3 less", "$5-$10 <em>each</em>, $3 less"),
        ("a $ b *c* $ d", "a $ b <em>c</em> $ d"),
        (r"\$5 *a* \$", "$5 <em>a</em> $"),
    ] {
        assert_eq!(to_html(text), format!("<p>{html}</p>\n"));
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
