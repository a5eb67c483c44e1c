use proptest::prelude::*;

use super::super::to_html;
use super::*;
use crate::language::Language;

fn html(markdown: &str) -> String {
    to_html(Language::English, markdown, "run-1")
}

#[test]
fn formulas_become_mathml_whatever_they_stand_between() {
    for (markdown, display) in [
        (r"\(a_1\)", false),
        ("$a_1$", false),
        ("$$a_1$$", true),
        (r"\[ a_1 \]", true),
        ("\\[\na_1\n\\]", true),
        ("$$\na_1\n$$", true),
    ] {
        let html = html(markdown);
        let math = "<msub><mi>a</mi><mn>1</mn></msub></math>";
        assert!(html.contains(math), "`{markdown}` became `{html}`");
        assert_eq!(html.contains("display=\"block\""), display, "{html}");
        assert_eq!(
            html.contains("<span class=\"formula\" tabindex=\"0\">"),
            display,
            "{html}"
        );
    }
}

#[test]
fn formulas_of_everyday_are_known() {
    for formula in [
        r"\frac{1}{2} + \dfrac{a}{b} \, \text{km/h}",
        r"\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2}",
        r"\sum_{i=1}^{n} i \quad \prod_{\substack{i<j\\j<k}} x_i",
        r"\begin{aligned} a &= b \\ &= c \end{aligned}",
        r"\begin{align} a &= b \tag{1} \\ c &= d \end{align}",
        r"f(x) = \begin{cases} 1 & x > 0 \\ 0 & \text{otherwise} \end{cases}",
        r"\begin{pmatrix} a & b \\ c & d \end{pmatrix} \vec{v} \cdot \hat{n}",
        r"\begin{array}{c|c} a & b \\ \hline c & d \end{array}",
        r"\boxed{x = \frac{1}{2}}",
        r"\lim_{x \to 0} \left( \sqrt[3]{x} \right) \mathbb{R} \mathcal{O}(n \log n)",
        r"\textcolor{red}{x} \underbrace{a + b}_{n} \operatorname{softmax}(x)",
        r"P(A \mid B) \neq \{ x \in A \} \cup \emptyset, \forall \epsilon > 0",
    ] {
        let html = html(&format!("$${formula}$$"));
        assert!(html.contains("<math"), "`{formula}` became `{html}`");
        assert!(!html.contains(" style="), "`{formula}` became `{html}`");
    }
}

#[test]
fn lines_of_a_formula_have_no_numbers_of_their_own() {
    let html = html(r"\[\begin{equation} E = mc^2 \end{equation}\]");
    assert!(
        html.contains("<mi>E</mi>") && !html.contains("(1)"),
        "{html}"
    );
}

#[test]
fn a_formula_that_is_not_known_stays_as_it_was_written() {
    for formula in [
        r"\(\nonsense{a*b*c} \, d\)",
        r"$\nonsense a$",
        r"\[ \href{javascript:alert(1)}{x} \]",
        "$$ \\frac{1}{ $$",
    ] {
        let written = format!("<p dir=\"auto\"><code dir=\"ltr\">{formula}</code></p>\n");
        assert_eq!(html(formula), written);
        let item = html(&format!("- é {formula}"));
        assert!(item.contains(formula), "`{formula}` became `{item}`");
        let cell = html(&format!("| a |\n|---|\n| é {formula} |"));
        assert!(cell.contains(formula), "`{formula}` became `{cell}`");
        let quote = html(&format!("> **é**\n> {formula} b"));
        assert!(quote.contains(formula), "`{formula}` became `{quote}`");
    }
    assert!(html(r"\(\nonsense a<b\)").contains("a&lt;b"));
}

#[test]
fn marks_without_their_other_mark_stay() {
    assert_eq!(html(r"\( a_1 \* b"), "<p dir=\"auto\">\\( a_1 * b</p>\n");
    assert_eq!(
        html("\\[\n\na\n\n\\]"),
        "<p dir=\"auto\">\\[</p>\n<p dir=\"auto\">a</p>\n<p dir=\"auto\">\\]</p>\n"
    );
    assert!(html(r"`\(a\)`").contains("<code dir=\"ltr\">\\(a\\)</code>"));
}

#[test]
fn prices_are_no_formulas() {
    for (text, expected) in [
        ("*$5* or *$10*", "<em>$5</em> or <em>$10</em>"),
        ("$5 to **$10** each", "$5 to <strong>$10</strong> each"),
        ("$5-$10 *each*, $3 less", "$5-$10 <em>each</em>, $3 less"),
        ("a $ b *c* $ d", "a $ b <em>c</em> $ d"),
        (r"\$5 *a* \$", "$5 <em>a</em> $"),
        ("I have $20 in cash (US$)", "I have $20 in cash (US$)"),
        ("$1.50/day, or $9 (A$)", "$1.50/day, or $9 (A$)"),
    ] {
        assert_eq!(html(text), format!("<p dir=\"auto\">{expected}</p>\n"));
    }
    assert!(
        html(r"$2\pi r$ and $3x + 2$ and $10$")
            .matches("<math")
            .count()
            == 3
    );
}

#[test]
fn a_formula_as_long_and_as_deep_as_may_be_does_no_harm() {
    for (open, close) in [
        ("{", "}"),
        ("x^{", "}"),
        (r"\frac{1}{", "}"),
        (r"\left(", r"\right)"),
        (r"\sqrt ", ""),
        (r"\begin{matrix}", r"\end{matrix}"),
        ("x_", ""),
        (r"\overline{", "}"),
        ("&", ""),
        (r"\text{", "}"),
    ] {
        let times = LONGEST / (open.len() + close.len());
        let formula = format!("{}x{}", open.repeat(times), close.repeat(times));
        for formula in [&formula[1..], &formula] {
            let html = html(&format!("$${formula}$$"));
            assert!(
                html.len() < 100 * LONGEST,
                "`{open}` became {} bytes",
                html.len()
            );
        }
    }
}

/// What formulas are made of.
const PARTS: [&str; 44] = [
    "a",
    "1",
    " ",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "^",
    "_",
    "&",
    "'",
    "é",
    "日",
    "<",
    "#1",
    "%",
    "~",
    "$",
    "\\",
    "\\\\",
    "\\frac",
    "\\sqrt",
    "\\left",
    "\\right",
    "\\middle|",
    "\\begin{aligned}",
    "\\end{aligned}",
    "\\begin{array}{c|c}",
    "\\end{array}",
    "\\begin{cases}",
    "\\end{cases}",
    "\\hline",
    "\\text{",
    "\\boxed",
    "\\tag",
    "\\substack",
    "\\color{red}",
    "\\limits",
    "\\sum",
    "\\not",
    "\\operatorname{",
    "\\mathbb",
];

proptest! {
    #[test]
    fn whatever_is_written_does_no_harm(
        parts in proptest::collection::vec(
            prop_oneof![9 => proptest::sample::select(&PARTS[..]).prop_map(str::to_owned), 1 => r"\\[a-zA-Z]{1,4}"], 0..30)
    ) {
        let formula = parts.concat();
        let display = MathDisplay::Block;
        let _ = LIBRARY.convert_with_local_state(&formula, display);
        let mathml = converted(&formula, true).unwrap_or_default();
        prop_assert!(!mathml.contains(" style="), "{}", mathml);
    }
}
