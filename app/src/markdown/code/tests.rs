use super::*;

/// Enough for a build without optimisation.
const PLENTY: Duration = Duration::from_secs(3600);

fn html(language: &str, code: &str) -> String {
    coloured(grammar(language).unwrap(), code, &mut { PLENTY }).unwrap()
}

#[test]
fn words_of_a_language_have_classes() {
    assert_eq!(
        html("rust", "// a < b\nfn f() -> u32 { 1 }"),
        "<span class=\"comment\">// a &lt; b</span>\n\
         <span class=\"keyword\">fn</span> <span class=\"function\">f</span>() -&gt; <span class=\"keyword\">u32</span> \
         { <span class=\"number\">1</span> }"
    );
    for (language, code, class) in [
        ("python", "x = \"a\"", "string"),
        ("js", "const a = 1", "keyword"),
        ("c++", "return 1;", "keyword"),
        ("Shell", "echo \"$a\"", "string"),
        ("diff", "+a", "inserted"),
        ("json", "{\"a\": true}", "constant"),
        ("sql", "SELECT 1", "keyword"),
        ("html", "<p class=\"a\">", "keyword"),
    ] {
        let html = html(language, code);
        assert!(
            html.contains(&format!("class=\"{class}\"")),
            "{language}: {html}"
        );
    }
}

#[test]
fn code_of_no_known_language_is_plain() {
    for language in ["", "nonsense", "text", "txt"] {
        assert!(grammar(language).is_none(), "{language}");
    }
}

#[test]
fn no_element_goes_over_the_end_of_a_line() {
    let html = html("c", "/* one\ntwo */ int x;\nchar *y = \"\\\nz\";");
    for line in html.lines() {
        assert_eq!(
            line.matches("<span").count(),
            line.matches("</span>").count(),
            "{line}"
        );
    }
    assert!(
        html.contains("<span class=\"comment\">two */</span>"),
        "{html}"
    );
}

#[test]
fn a_block_that_grows_keeps_what_is_written() {
    let code = "def f(x):\n    \"\"\"One\n    two\"\"\"\n    return x + 1  # three\n";
    let python = grammar("python").unwrap();
    let write = |code| coloured(python, code, &mut { PLENTY }).unwrap();
    let whole = write(code);
    for end in 1..=code.len() {
        let part = write(&code[..end]);
        let ended = code[..end].matches('\n').count();
        assert!(
            part.lines().take(ended).eq(whole.lines().take(ended)),
            "{part}"
        );
    }
}

#[test]
fn what_is_too_long_stays_plain_from_there_on() {
    let long = "x".repeat(LONGEST_LINE);
    let html = html("rust", &format!("fn a\n//{long}\nfn b"));
    assert_eq!(
        html,
        format!(
            "<span class=\"keyword\">fn</span> <span class=\"function\">a</span>\n//{long}\nfn b"
        )
    );
}

#[test]
fn without_time_all_is_plain() {
    let mut time = Duration::ZERO;
    let html = coloured(grammar("go").unwrap(), "func a() {\n}\n", &mut time).unwrap();
    assert_eq!(html, "func a() {\n}\n");
}

#[test]
fn memory_has_a_bound() {
    let rust = grammar("rust").unwrap();
    for number in 0..9 {
        remember(Lines {
            text: format!("block {number}\n"),
            html: "x".repeat(MEMORY / 4),
            ..Lines::new(rust)
        });
    }
    assert!(recall(rust, "block 8\nand more").is_some());
    assert!(recall(rust, "block 0\nand more").is_none());
}

#[test]
fn a_block_without_text_is_empty() {
    assert_eq!(html("rust", ""), "");
}
