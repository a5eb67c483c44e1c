//! The names that this machine has of itself, by which others of its network reach it.
//!
//! No site can have them: the first has no dot or is the owner's, and for the second, of multicast DNS, the machine answers
//! itself.

/// Nothing where it has no name but `localhost`.
pub(super) fn found() -> Vec<String> {
    let system = rustix::system::uname();
    of(&system.nodename().to_string_lossy())
}

fn of(name: &str) -> Vec<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name == "localhost" || !name.bytes().all(is_name) {
        return Vec::new();
    }
    let first = name.split('.').next().unwrap_or(name);
    vec![name.to_owned(), format!("{first}.local")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_goes_by_its_name_and_by_that_of_multicast_dns() {
        assert_eq!(of("box"), ["box", "box.local"]);
        assert_eq!(of("box.example.org"), ["box.example.org", "box.local"]);
        for none in ["", "localhost", "(none)", "a b"] {
            assert!(of(none).is_empty(), "{none}");
        }
    }
}
