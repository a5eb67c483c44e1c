//! The floors of the engine: a module imports from those below its own, never from one above.
//!
//! `cargo test --test floors -- --nocapture` prints which imports which. Only what stands in the library counts; tests
//! may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From the ground up.
const FLOORS: [&str; 13] = [
    "completion",
    "error",
    "sampling",
    "architecture",
    "machine",
    "compute",
    "files",
    "text",
    "model",
    "answer",
    "load",
    "engine",
    "measure",
];

/// How often one module's files import from another.
type Imports = BTreeMap<(String, String), usize>;

#[test]
fn imports_run_downwards() {
    let imports = imports();
    print(&imports);
    let upward = upward(&imports);
    assert!(upward.is_empty(), "imports that run upwards: {upward:?}");
}

#[test]
fn an_import_that_runs_upwards_is_found() {
    let edge = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let imports = Imports::from([(edge("model", "text"), 3), (edge("text", "answer"), 1)]);
    assert_eq!(upward(&imports), [&edge("text", "answer")]);
}

#[test]
fn every_module_has_a_floor() {
    let modules = BTreeSet::from_iter(modules(&source_of("lib.rs")));
    let floors: BTreeSet<_> = FLOORS.map(str::to_owned).into();
    assert_eq!(modules, floors);
}

/// The imports from a floor above, or from a module that is on none.
fn upward(imports: &Imports) -> Vec<&(String, String)> {
    let floor = |module: &str| FLOORS.iter().position(|name| *name == module);
    let is_upward = |(from, to): &&(String, String)| match (floor(from), floor(to)) {
        (Some(from), Some(to)) => from < to,
        _ => true,
    };
    imports.keys().filter(is_upward).collect()
}

/// What every module imports from others.
fn imports() -> Imports {
    let root = source_of("lib.rs");
    let exports = exports(&root);
    let mut imports = Imports::new();
    for module in modules(&root) {
        for file in files(&module) {
            for name in imported(&source_of(&file)) {
                let from = exports.get(&name).cloned().unwrap_or(name);
                if from != module {
                    *imports.entry((module.clone(), from)).or_default() += 1;
                }
            }
        }
    }
    imports
}

/// One row for each module, with what it imports from those below.
#[expect(clippy::print_stdout, reason = "the table is for whoever asks for it")]
fn print(imports: &Imports) {
    println!("{:>12} imports from", "");
    for from in FLOORS.iter().rev() {
        let of_module = imports.iter().filter(|((module, _), _)| module == from);
        let row: Vec<_> = of_module
            .map(|((_, to), count)| format!("{to} {count}"))
            .collect();
        println!("{from:>12} {}", row.join(", "));
    }
}

/// The library's part of a file, without comments.
fn source_of(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("`{file}`: {why}"));
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    // Tests are last.
    let is_test = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1] == "mod tests {";
    let tests = lines.windows(2).position(is_test).unwrap_or(lines.len());
    lines[..tests].join("\n")
}

/// The modules that a file declares, but for those of tests.
fn modules(source: &str) -> Vec<String> {
    let mut modules = Vec::new();
    let mut of_tests = false;
    for line in source.lines() {
        if line.starts_with("#[") {
            of_tests |= line.starts_with("#[cfg(") && line.contains("test");
            continue;
        }
        let declared = line
            .strip_suffix(';')
            .and_then(|line| line.rsplit_once("mod "))
            .filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        if let (Some((_, name)), false) = (declared, of_tests) {
            modules.push(name.to_owned());
        }
        of_tests = false;
    }
    modules
}

/// The files of a module of the root and of all modules in it.
fn files(module: &str) -> Vec<String> {
    let mut files = vec![format!("{module}.rs")];
    let mut next = 0;
    while let Some(file) = files.get(next) {
        let folder = file.trim_end_matches(".rs").to_owned();
        let within = modules(&source_of(file));
        files.extend(within.iter().map(|name| format!("{folder}/{name}.rs")));
        next += 1;
    }
    files
}

/// What the root has from its modules, and from which.
fn exports(root: &str) -> BTreeMap<String, String> {
    let uses = root.split("use ").skip(1).filter_map(|rest| {
        let (path, _) = rest.split_once(';')?;
        let (module, names) = path.split_once("::")?;
        Some((module, names))
    });
    uses.flat_map(|(module, names)| {
        let names = names.split(|c: char| !c.is_alphanumeric() && c != '_');
        names.map(|name| (name.to_owned(), module.to_owned()))
    })
    .collect()
}

/// The names behind each `crate::` of a source.
fn imported(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    for path in source.split("crate::").skip(1) {
        match path.strip_prefix('{') {
            None => names.push(first_name(path)),
            Some(group) => {
                let mut depth = 0;
                let mut start = 0;
                for (at, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth > 0 => depth -= 1,
                        ',' | '}' if depth == 0 => {
                            names.push(first_name(group[start..at].trim_start()));
                            start = at + 1;
                            if character == '}' {
                                break;
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn first_name(path: &str) -> String {
    path.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn names_behind_crate_are_found_in_paths_and_groups() {
    let source = "use crate::text::stop;\nuse crate::{Error, model::{a, b}, Role};\nlet x = crate::hub::y();";
    assert_eq!(imported(source), ["text", "Error", "model", "Role", "hub"]);
}

#[test]
fn what_the_root_re_exports_counts_as_its_modules() {
    let exports =
        exports("mod text;\npub use text::conversation::{Message, Role};\npub use error::Error;");
    assert_eq!(exports["Role"], "text");
    assert_eq!(exports["Error"], "error");
}
