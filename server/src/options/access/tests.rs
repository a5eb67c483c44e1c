use std::fs;

use clap::Parser;
use tempfile::TempDir;

use super::*;

const ANNA: &str = "anna sk-0123456789abcdef\n";

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    access: AccessArgs,
}

fn access(arguments: &[&str]) -> AccessArgs {
    let all = [&["nibble"], arguments].concat();
    Command::try_parse_from(all).unwrap().access
}

fn refusal(arguments: &[&str]) -> String {
    format!("{:#}", access(arguments).access().err().unwrap())
}

#[test]
fn without_a_key_everybody_may() {
    assert!(access(&[]).keys(None).unwrap().is_none());
    let empty = access(&["--api-key-file", ""]);
    assert!(empty.keys(Some("".into())).unwrap().is_none());
}

#[test]
fn keys_come_from_a_file_and_from_the_environment() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keys");
    fs::write(&path, ANNA).unwrap();
    let named = access(&["--api-key-file", path.to_str().unwrap()]);
    let keys = named.keys(Some("sk-fedcba9876543210".into())).unwrap();
    let keys = keys.unwrap();
    assert_eq!(keys.count(), 2);
    let file = KeyFile {
        path: path.clone(),
        keys: Arc::clone(&keys),
    };
    fs::write(&path, format!("{ANNA}bert sk-another-key-of-his\n")).unwrap();
    assert_eq!(file.read_again().unwrap(), 3);
    fs::write(&path, "anna short").unwrap();
    let error = file.read_again().err().unwrap().to_string();
    assert!(error.contains("line 1: the key must have"), "{error}");
    assert!(!error.contains("short"), "{error}");
    assert_eq!(keys.count(), 3);
}

#[test]
fn what_is_no_key_is_named_by_its_place_alone() {
    let missing = refusal(&["--api-key-file", "/none"]);
    assert!(missing.contains("`/none`"), "{missing}");
    let short = access(&[]).keys(Some("secret".into())).err().unwrap();
    let short = short.to_string();
    assert!(short.contains("`NIBBLE_API_KEY`"), "{short}");
    assert!(!short.contains("secret"), "{short}");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keys");
    fs::write(&path, "#".repeat(FILE_BYTES as usize + 1)).unwrap();
    let long = refusal(&["--api-key-file", path.to_str().unwrap()]);
    assert!(long.contains("1048576 bytes"), "{long}");
}

#[test]
fn origins_and_names_are_lists() {
    let (access, _) = access(&[
        "--cors-origin",
        "https://a.example,null",
        "--served-name",
        "gpt-3.5-turbo",
        "--served-name",
        "gpt-4o, ",
    ])
    .access()
    .unwrap();
    assert_eq!(access.served_names, ["gpt-3.5-turbo", "gpt-4o"]);
    let error = refusal(&["--cors-origin", "a.example"]);
    assert!(
        error.contains("--cors-origin `a.example` must be"),
        "{error}"
    );
    let error = refusal(&["--served-name", "a\nb"]);
    assert!(error.contains("--served-name"), "{error}");
}
