//! Finds what a person would read and what stands in no table: words in the sources of pages and of their scripts.
//!
//! A literal is words when it begins with a capital and a small letter, and in Rust also when two words follow each other in
//! it, in a script when it is a sentence. What is no text all the same is named in [`NO_TEXTS`].

mod literals;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;

use self::literals::{
    collect, has_two_words, is_name, is_sentence, script_literals, without_markup,
};
use super::scripts::by_name;
use crate::language::Language;

/// Where Rust says something to a person, from the folder of the workspace.
const SPOKEN: [&str; 9] = [
    "app/src",
    "server/src/attachments.rs",
    "server/src/chat/complaints.rs",
    "server/src/chat/import.rs",
    "server/src/chat/presets.rs",
    "server/src/chat/prompt.rs",
    "server/src/events.rs",
    "server/src/pages.rs",
    "server/src/pages",
];

/// The same in each language, read by programs only, or telling of a mistake of ours.
const NO_TEXTS: &[&str] = &[
    "Nibble",
    "Nibble - {}.{ending}",
    "Markdown",
    "Enter",
    "Shift+Enter",
    "Escape",
    "Ctrl+Shift+O",
    "ArrowUp",
    // What a script asks of things that are dragged.
    "Files",
    // What the model is told of a file.
    "File",
    "File `{}`:",
    "question long",
    "light dark",
    "outcome failed",
    "wide reading",
    "wide reading missed",
    "task done",
    "aside wide",
    "bar within",
    "Plain Text",
    "border-left: 0.05em solid currentcolor",
    "border-right: 0.05em solid currentcolor",
    "border-top: 0.05em solid currentcolor",
    "form body: ",
    "no chat is provided",
    "a name is 32 lower-case hexadecimal digits",
];

#[test]
fn nothing_that_is_read_stands_outside_of_the_tables() {
    let mut forgotten = Vec::new();
    for spoken in SPOKEN {
        for file in files(spoken, "rs") {
            let source: TokenStream = fs::read_to_string(&file).unwrap().parse().unwrap();
            let mut literals = Vec::new();
            collect(source, &mut literals);
            let literals = literals.iter().map(|literal| without_markup(literal));
            let literals = literals.filter(|literal| is_name(literal) || has_two_words(literal));
            forgotten.extend(literals.map(|literal| (file.clone(), literal)));
        }
    }
    for file in files("public", "js") {
        let mut literals = script_literals(&fs::read_to_string(&file).unwrap());
        literals.retain(|literal| is_name(literal) || is_sentence(literal));
        forgotten.extend(literals.into_iter().map(|literal| (file.clone(), literal)));
    }
    forgotten.retain(|(_, literal)| !NO_TEXTS.contains(&literal.as_str()));
    assert!(
        forgotten.is_empty(),
        "these are to be entries of a table in `app/src/texts/`: {forgotten:#?}"
    );
}

#[test]
fn scripts_find_the_texts_that_they_ask_for_and_fill_them_in() {
    let mut asked = BTreeMap::new();
    for file in files("public", "js") {
        let script = fs::read_to_string(file).unwrap();
        for call in script.split("say(\"").skip(1) {
            let (name, rest) = call.split_once('"').unwrap();
            asked.insert(name.to_owned(), filled_in(rest));
        }
    }
    for language in Language::ALL {
        let texts = by_name(language).into_iter();
        let texts: BTreeMap<_, _> = texts
            .map(|(name, text)| (name.to_owned(), gaps(&text)))
            .collect();
        assert_eq!(texts, asked);
    }
}

#[test]
fn every_text_of_the_tables_is_told_somewhere() {
    let sources = ["app/src", "server/src"]
        .iter()
        .flat_map(|folder| files(folder, "rs"));
    let sources: String = sources
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let scripts = by_name(Language::English);
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/texts");
    let tables = fs::read_dir(tables)
        .unwrap()
        .map(|table| table.unwrap().path());
    for table in tables.filter(|table| table.is_file()) {
        let table = fs::read_to_string(table).unwrap();
        let entries = table
            .lines()
            .filter(|line| line.ends_with("\";") && line.contains("\" | \""));
        for entry in entries {
            let name = entry.trim_start().split([':', '[', '(']).next().unwrap();
            let told = sources.contains(&format!(".{name}("))
                || sources.contains(&format!("Language::{name}"));
            let told = told || scripts.iter().any(|(script, _)| *script == name);
            assert!(told, "nobody tells `{name}`");
        }
    }
}

/// Files of a folder, or a file, but for the tables and for tests.
fn files(path: &str, ending: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let mut open = vec![path];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        let name = path.file_stem().unwrap_or_default();
        if ["tests", "texts", "language"]
            .iter()
            .any(|left_out| name == *left_out)
        {
            continue;
        }
        if path.is_dir() {
            open.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
    found
}

/// The names in braces behind the name of a text: `, { done, total: sum })`.
fn filled_in(rest: &str) -> BTreeSet<String> {
    let Some(values) = rest.strip_prefix(", {") else {
        return BTreeSet::new();
    };
    let values = values.split('}').next().unwrap_or_default().split(',');
    let names = values.filter_map(|value| value.split(':').next());
    names.map(|name| name.trim().to_owned()).collect()
}

fn gaps(text: &str) -> BTreeSet<String> {
    let names = text
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    names.map(str::to_owned).collect()
}
