//! The file of keys.

use super::*;

fn refusal(file: &str) -> String {
    Keys::new(Some(file), None).err().unwrap()
}

#[test]
fn a_line_is_a_name_a_key_and_limits() {
    let file = format!(
        "# who may\n\n  anna\t{ANNA}  chats=2 requests/min=60 \r\nbert {BERT} tokens/min=9000\n#carl {BERT}\n"
    );
    let keys = Keys::new(Some(&file), None).unwrap();
    assert_eq!(keys.count(), 2);
    let anna = keys.holding(ANNA.as_bytes()).unwrap();
    let expected = Limits {
        requests_per_minute: Some(60),
        tokens_per_minute: None,
        chats: Some(2),
    };
    assert_eq!((anna.name.as_str(), anna.limits), ("anna", expected));
    let bert = keys.holding(BERT.as_bytes()).unwrap();
    assert_eq!(bert.limits.tokens_per_minute, Some(9000));
}

#[test]
fn a_wrong_line_is_named_and_not_repeated() {
    let long = "k".repeat(257);
    for (line, words) in [
        ("alone", "a name and a key are expected"),
        ("anna 0123456789abcde", "16 to 256 bytes, found 15"),
        (&format!("anna {long}"), "16 to 256 bytes, found 257"),
        (
            "anna 0123456789abcdé0",
            "letters, digits and signs of ASCII",
        ),
        ("an/na 0123456789abcdef", "a name is 1 to 64 letters"),
        (
            &format!("{} 0123456789abcdef", &long[..65]),
            "a name is 1 to 64",
        ),
        ("anna 0123456789abcdef secret", "found something else"),
        ("anna 0123456789abcdef words/min=3", "found something else"),
        ("anna 0123456789abcdef chats=0", "from 1 to 1000000000"),
        ("anna 0123456789abcdef chats=-1", "whole number"),
        ("anna 0123456789abcdef chats=", "whole number"),
        // The end of the line was lost.
        (
            "anna 0123456789abcdef chats=1bob secret0123456789",
            "whole number",
        ),
        (
            "anna 0123456789abcdef chats=1secret0123456789",
            "whole number",
        ),
        ("anna 0123456789abcdef chats=99999999999", "whole number"),
        (
            "anna 0123456789abcdef chats=1 chats=2",
            "`chats` is given twice",
        ),
    ] {
        let reason = refusal(&format!("# one\n{line}\n"));
        assert!(reason.starts_with("line 2: "), "{reason}");
        assert!(reason.contains(words), "{line}: {reason}");
        assert!(
            !reason.contains("0123") && !reason.contains("secret"),
            "{reason}"
        );
    }
}

#[test]
fn names_and_keys_are_one_persons_each() {
    let twice = refusal(&format!("anna {ANNA}\nanna {BERT}"));
    assert_eq!(twice, "two keys are named `anna`");
    let shared = refusal(&format!("anna {ANNA}\nbert {ANNA}"));
    assert_eq!(shared, "`bert` has the key of another name");
    assert_eq!(refusal("# nobody\n"), "there is no key in it");
    let many: String = (0..1001)
        .map(|n| format!("n{n} key-of-sixteen-{n:04}\n"))
        .collect();
    assert_eq!(refusal(&many), "there may be 1000 keys, found 1001");
    let taken = Keys::new(Some(&format!("environment {ANNA}")), Some(BERT));
    assert_eq!(taken.err().unwrap(), "two keys are named `environment`");
}

#[test]
fn a_file_that_is_read_again_keeps_what_was_spent() {
    let line = format!("anna {ANNA} requests/min=1");
    let keys = Keys::new(Some(&line), None).unwrap();
    let now = Instant::now();
    let admitted = |secret: &str| {
        let key = keys.holding(secret.as_bytes())?;
        Some(key.spent.admit(key.limits, now).is_ok())
    };
    assert_eq!(admitted(ANNA), Some(true));
    // Another key, and the same name.
    keys.replace(&format!("zoe {ANNA}\nanna {BERT} requests/min=1"))
        .unwrap();
    assert_eq!(admitted(BERT), Some(false));
    assert_eq!(admitted(ANNA), Some(true));
    let [zoe, anna] = [ANNA, BERT].map(|key| keys.holding(key.as_bytes()).unwrap().caller());
    assert_ne!(zoe, anna);
    assert!(keys.replace("wrong").is_err());
    assert_eq!(keys.count(), 2);
}
