//! Who may do what at an address that others reach, and how to change that: the first lines of the log.

use std::net::SocketAddr;

/// Nothing where only this machine reaches it.
pub(super) fn told(address: SocketAddr, has_password: bool, has_keys: bool) -> Option<String> {
    if address.ip().is_loopback() {
        return None;
    }
    let page = if has_password {
        "The page is for who has the password, who share all chats"
    } else {
        "All who reach it may use the page; nobody reads chats that began in another browser, unless they are shared"
    };
    let api = if has_keys {
        "the API is for who has a key"
    } else {
        "the API is for all who reach it"
    };
    let port = address.port();
    let changes = [
        (!has_password).then_some("`--password-file FILE` asks for a password on the page"),
        (!has_keys).then_some("`--api-key-file FILE` asks for a key at the API"),
    ];
    let mut changes: Vec<_> = changes.into_iter().flatten().map(str::to_owned).collect();
    changes.push(format!(
        "`--addr 127.0.0.1:{port}` keeps it to this machine"
    ));
    let changes = changes.join("; ");
    Some(format!(
        "Others can reach `{address}`. {page}; {api}.\n{changes}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beyond(has_password: bool, has_keys: bool) -> String {
        told(([0, 0, 0, 0], 3000).into(), has_password, has_keys).unwrap()
    }

    #[test]
    fn beyond_this_machine_it_is_said_who_may_do_what() {
        assert_eq!(told(([127, 0, 0, 1], 80).into(), false, false), None);
        let open = beyond(false, false);
        for words in [
            "All who reach it may use the page",
            "the API is for all who reach it",
            "`--password-file FILE`",
            "`--api-key-file FILE`",
            "`--addr 127.0.0.1:3000`",
        ] {
            assert!(open.contains(words), "{words} in {open}");
        }
        let guarded = beyond(true, false);
        assert!(guarded.contains("for who has the password"), "{guarded}");
        assert!(!guarded.contains("--password-file"), "{guarded}");
        let keyed = beyond(false, true);
        assert!(keyed.contains("the API is for who has a key"), "{keyed}");
        assert!(!keyed.contains("--api-key-file"), "{keyed}");
        assert!(
            beyond(true, true).ends_with(".\n`--addr 127.0.0.1:3000` keeps it to this machine.")
        );
    }
}
