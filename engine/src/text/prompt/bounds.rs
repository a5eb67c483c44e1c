//! What a hostile template is held to: how deep it nests, what it writes and keeps, and how long it takes.

use std::fs;
use std::thread;
use std::time::Duration;

use super::jinja::{PATIENCE, STACK_BYTES};
use super::tests::{Model, rendered};
use crate::text::conversation::Conversation;
use crate::{Error, Message, Role};

/// What is written so often, between what is before and behind it.
fn repeated(before: &str, part: &str, behind: &str, times: usize) -> String {
    format!("{before}{}{behind}", part.repeat(times))
}

/// Templates that nest so deep, in every way there is, for as far as the template engine reads them.
fn nested(deep: usize) -> Vec<String> {
    let chained = [
        ("{{ ", "-", "1 }}"),
        ("{{ ", "not ", "1 }}"),
        ("{{ a", ".a", " }}"),
        ("{{ a", "[0]", " }}"),
        ("{{ a", "()", " }}"),
        ("{{ 'a'", "|upper", " }}"),
        ("{{ 1", " is odd", " }}"),
        ("{{ 1", "+1", " }}"),
        ("{{ 1", "**1", " }}"),
        ("{{ 1", "~1", " }}"),
        ("{{ 1", " or 1", " }}"),
        ("{{ 1", " < 1", " }}"),
        ("{{ 1", " if 1 else 1", " }}"),
        ("{% if 1 %}", "{% elif 1 %}", "{% endif %}"),
        ("{% set x", ".a", " = 1 %}"),
        ("{% filter upper", "|upper", " %}{% endfilter %}"),
    ];
    let chained = chained.map(|(before, part, behind)| repeated(before, part, behind, deep));
    let enclosed = [
        ("{{ ", "(", "1", ")", " }}"),
        ("{{ ", "[", "1", "]", " }}"),
        ("{{ ", "{1:", "1", "}", " }}"),
        ("{{ ", "f(", "1", ")", " }}"),
        ("{{ ", "a[", "1", "]", " }}"),
        ("", "{% if 1 %}", "", "{% endif %}", ""),
        ("", "{% for a in b %}", "", "{% endfor %}", ""),
        ("", "{% set x %}", "", "{% endset %}", ""),
        ("", "{% macro m() %}", "", "{% endmacro %}", ""),
        ("", "{% with %}", "", "{% endwith %}", ""),
        ("", "{% generation %}", "", "{% endgeneration %}", ""),
        ("{% set ", "(", "x", ",)", " = 1 %}"),
    ];
    let enclosed = enclosed.map(|(before, opening, inside, closing, behind)| {
        let middle = [&opening.repeat(deep), inside, &closing.repeat(deep)].concat();
        format!("{before}{middle}{behind}")
    });
    chained.into_iter().chain(enclosed).collect()
}

#[test]
fn a_template_that_nests_too_deep_is_refused_before_it_is_read() {
    for template in nested(7_000) {
        let why = rendered(&template).unwrap_err();
        let reason = "`chat_template` nests at most 500 deep, found 501 in line 1";
        assert!(why.contains(reason), "{why}: {}", &template[..40]);
    }
    let dashes = repeated("{{ ", "-", "1 }}", 38_000);
    assert!(rendered(&dashes).unwrap_err().contains("nests at most"));
}

/// The stack is enough: what it were not enough for would end the process.
#[test]
fn a_template_that_nests_as_deep_as_it_may_is_read_and_freed() {
    for deep in [70, 140, 240, 480] {
        for template in nested(deep) {
            drop(rendered(&template));
        }
    }
    let sum = repeated("{{ 1", "+1", " }}", 400);
    assert_eq!(rendered(&sum).unwrap(), "401");
    let lists = repeated("{{ [", "'a'.strip().upper(), ", "] | length }}", 400);
    assert_eq!(rendered(&lists).unwrap(), "400");
    let branches = repeated("{% if 0 %}", "{% elif 0 %}", "{% else %}b{% endif %}", 400);
    assert_eq!(rendered(&branches).unwrap(), "b");
    let sets = "{% set x = 1 %}".repeat(600);
    assert_eq!(rendered(&sets).unwrap(), "");
}

#[test]
fn a_template_is_no_longer_than_any_that_a_model_has() {
    for (template, reason) in [
        (
            "a".repeat(300_000),
            "has at most 262144 bytes, found 300000",
        ),
        (
            repeated("{{ [", "1,", "] }}", 2_000),
            "lists at most 1000 values at a time, found 1001 in line 1",
        ),
    ] {
        let why = rendered(&template).unwrap_err();
        assert!(why.contains(reason), "{why}");
    }
}

/// Sets `x` in a namespace to something else so many times.
fn grown(start: &str, next: &str, times: usize, then: &str) -> String {
    format!(
        "{{% set ns = namespace(x={start}) %}}{{% for i in range({times}) %}}{{% set ns.x = {next} %}}{{% endfor %}}{then}"
    )
}

#[test]
fn a_template_can_neither_run_for_ever_nor_eat_memory() {
    let twice = "{% set ns.x = [ns.x, ns.x] %}";
    let hostile = [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}".to_owned(),
        grown("'aaaaaaaaaaaaaaaa'", "ns.x ~ ns.x", 60, ""),
        grown("[1]", "[ns.x, ns.x]", 60, "{{ ns.x }}"),
        grown("[1]", "[ns.x, ns.x]", 60, "{{ ns.x | tojson }}"),
        grown("[1]", "[ns.x, ns.x]", 33, "{{ ns.x == ns.x | list }}"),
        grown("[1]", "{'a': ns.x, 'b': ns.x}", 60, ""),
        grown("1", "[ns.x]", 99_999, ""),
        grown("1", "[ns.x] * 1", 5_000, ""),
        grown("[1]", "ns.x * 1", 99_999, ""),
        grown("[1]", "[ns.x].copy", 5_000, ""),
        grown("[1]", "ns.x | batch(1)", 5_000, ""),
        grown("[1]", "[ns.x]", 5_000, "{{ ns.x }}"),
        format!("{{% set ns = namespace(x=[1]) %}}{}{{{{ [ns.x, 1] < [ns.x, 2] }}}}", twice.repeat(60)),
        format!("{{% set ns = namespace(x=[1]) %}}{}{{% for i in range(99) %}}{{% set x = {{ns.x: 1}} %}}{{% endfor %}}", twice.repeat(17)),
        grown("{'a': 1}", "[ns.x.items(), 1]", 5_000, ""),
        "{% set d = messages[0] %}{% set ns = namespace(x=[]) %}{% for i in range(99999) %}\
         {% set ns.x = ns.x + [d.items(), d.keys(), d.values()] %}{% endfor %}".to_owned(),
        "{{ 'a' * 100000000 * 100000000 }}".to_owned(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
        "{{ 'a'.replace('', 'b' * 10000000).replace('', 'c' * 10000000) }}".to_owned(),
        "{{ 1 | tojson(indent=1000000000) }}".to_owned(),
        "{{ ([1] * 100000000)[1:] | length }}".to_owned(),
        "{{ ([''] * 100000000) | join }}".to_owned(),
        "{{ ''.join([''] * 100000000) }}".to_owned(),
        "{% for i in 'a' * 30000000 %}{% break %}{% endfor %}".to_owned(),
        "{{ ('a,' * 10000000).split(',') | length }}".to_owned(),
        "{{ 'a'.center(1000000000) }}".to_owned(),
        "{{ 'a'.ljust(1000000000) }}".to_owned(),
        "{{ 'a'.rjust(1000000000) }}".to_owned(),
        "{{ 'a'.zfill(1000000000) }}".to_owned(),
        "{{ 'a' | indent(1000000000) }}".to_owned(),
        "{{ 'a' | center(1000000000) }}".to_owned(),
        "{{ [1] | batch(1000000000, 1) }}".to_owned(),
        "{{ [1] | slice(1000000000) }}".to_owned(),
        "{{ range(1000000000) | list }}".to_owned(),
        "{{ strftime_now('%Y' * 1000000) }}".to_owned(),
        "{% set x = 'a' * 1000000 %}{% for i in range(6) %}{{ x }}{% endfor %}".to_owned(),
        "{% set x = 'a' * 4000000 %}{% for i in range(99999) %}{% if x is lower %}{% endif %}{% endfor %}".to_owned(),
        "{% set x = 'a' * 4000000 %}{% for i in range(99999) %}{% if 'b' in x %}{% endif %}{% endfor %}".to_owned(),
        "{% set x = [1] * 400000 %}{% for i in range(99999) %}{% if 2 in x %}{% endif %}{% endfor %}".to_owned(),
    ];
    for template in hostile {
        // An emulated CPU comes to the limit of time first.
        if crate::emulated() {
            rendered(&template).expect_err(&template);
            continue;
        }
        let (rendered, took) = rendered_here(&template);
        rendered.expect_err(&template);
        assert!(took.is_none_or(|took| took < PATIENCE), "{template}");
    }
}

/// What comes of a template that is waited for however long it takes, and for how long a CPU was at it, where the system
/// tells: how long that is by the clock depends on what else the machine does.
fn rendered_here(template: &str) -> (Result<String, String>, Option<Duration>) {
    let model = Model::with_template(Some(template), &["<eos>"]);
    let content = "hi".to_owned();
    let role = Role::User;
    let conversation = vec![Message { role, content }].into();
    let render = || {
        let before = computed();
        let rendered = model.text_here(&conversation);
        let took = computed().zip(before).map(|(after, before)| after - before);
        (rendered, took)
    };
    let stack = thread::Builder::new().stack_size(STACK_BYTES);
    thread::scope(|scope| stack.spawn_scoped(scope, render).unwrap().join().unwrap())
}

/// How long a CPU has been at this thread, as Linux counts it.
fn computed() -> Option<Duration> {
    let counted = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = counted.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[test]
fn a_format_is_neither_wider_nor_longer_than_what_may_be_written() {
    for (format, reason) in [
        (
            "'{:>1000000000}'.format('x')",
            "at most 65536, found 1000000000",
        ),
        (
            "'{0:.1000000000f}'.format(1)",
            "at most 65536, found 1000000000",
        ),
        (
            "'{:>99999999999999999999}'.format('x')",
            "at most 65536, found",
        ),
        (
            "'%1000000000d' | format(1)",
            "at most 65536, found 1000000000",
        ),
        ("'%.1000000000f' % 1", "at most 65536, found 1000000000"),
        ("'%(a)-70000s' % {'a': 1}", "at most 65536, found 70000"),
        (
            "('{0}' * 3000).format('a' * 3000)",
            "found 3000 places for values of up to 3000",
        ),
        (
            "('%(a)s' * 3000) % {'a': 'a' * 3000}",
            "found 3000 places for values of up to",
        ),
        (
            "('{a[b]}' * 3000).format(a={'b': 'a' * 3000})",
            "found 3000 places for values of up to",
        ),
        (
            "('{:60000}' * 100).format(*[1] * 100)",
            "writes at most 4194304 bytes",
        ),
    ] {
        let why = rendered(&format!("{{{{ {format} }}}}")).unwrap_err();
        assert!(why.contains(reason), "{format}: {why}");
    }
    let formats = "{{ 'in 1999999999: {:>5}|{:.2f}|{a}'.format('x', 1, a=[2]) }} {{ 'in 1999999999 %5s%%' % 'x' }}";
    assert_eq!(
        rendered(formats).unwrap(),
        "in 1999999999:     x|1.00|[2] in 1999999999     x%"
    );
}

#[test]
fn nothing_that_changes_is_held_by_a_value_so_that_all_of_it_is_freed() {
    for template in [
        "{% set ns = namespace() %}{% set ns.x = ns %}",
        "{% set ns = namespace() %}{% set ns.x = [ns] %}",
        "{% set ns = namespace() %}{% set x = {'a': ns} %}",
        "{% for i in [1] %}{% if loop.changed(loop) %}{% endif %}{% endfor %}",
        "{% set ns = namespace() %}{% for i in [ns] %}{% set ns.x = loop %}{% endfor %}",
    ] {
        let why = rendered(template).unwrap_err();
        assert!(why.contains("no value holds a "), "{template}: {why}");
    }
    let loops = "{% set ns = namespace(x=[1]) %}{% for i in [1, 1, 2] %}{% set outer = loop %}{% for k in [1] %}{{ outer.index }}{{ \
                 outer.cycle('a', 'b') }}{% endfor %}{{ loop.changed(i) }}{% set ns.x = ns.x + [i] %}{% endfor %}{{ ns.x }}";
    assert_eq!(rendered(loops).unwrap(), "1aTrue2bFalse3aTrue[1, 1, 1, 2]");
    assert!(rendered("{% for i in [1] %}{{ loop.cycle() }}{% endfor %}").is_err());
}

#[test]
fn values_nest_as_deep_as_requests_and_no_deeper() {
    let nested = |deep| {
        grown(
            "[1]",
            "[ns.x]",
            deep,
            "{% set y = namespace(x=ns.x).x %}{{ ns.x == y and ns.x in [y] and not [y] < [ns.x] }}\
        {{ [ns.x, y] | sort | length }}{{ ns.x | string | length }}{{ ns.x | tojson | length }}",
        )
    };
    assert_eq!(rendered(&nested(198)).unwrap(), "True2399399");
    let why = rendered(&nested(200)).unwrap_err();
    assert!(
        why.contains("values hold each other at most 200 deep"),
        "{why}"
    );
}

/// The caller is not to blame, and asks again; nor is it taken for something that is known of the template.
#[test]
fn where_the_system_gives_no_thread_that_is_said() {
    let model = Model::with_template(Some("{{ tools }}{{ messages }}"), &["<e>"]);
    let question = Message {
        role: Role::User,
        content: "Why?".to_owned(),
    };
    let conversation = Conversation {
        tools: vec![serde_json::json!({ "type": "function" })],
        ..vec![question].into()
    };
    for error in model.without_threads(&conversation) {
        assert!(matches!(error, Error::NoThread(_)), "{error}");
    }
}
