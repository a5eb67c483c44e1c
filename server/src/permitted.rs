//! Who may do what is not for all who reach the page: manage models, choose which answers, compare.

use std::str::FromStr;

use nibble_app::chat::Leave;
use nibble_app::visitor::Visitor;

/// The visitors who may, as the command line names them. Each is asked for anew, as strangers come by a proxy of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permitted {
    /// Who asks from the server's own machine, and who has signed in.
    #[default]
    Loopback,
    /// Who has signed in.
    Password,
    /// Who reaches the page.
    Anyone,
    /// By the page nobody.
    Nobody,
}

impl Permitted {
    /// Whether a visitor is one of them, or who is.
    pub(crate) fn leave(self, visitor: Visitor) -> Leave {
        match self {
            Self::Anyone => Leave::Granted,
            Self::Loopback | Self::Password if visitor.signed_in => Leave::Granted,
            Self::Loopback if visitor.is_here => Leave::Granted,
            Self::Loopback => Leave::FromHere,
            Self::Password => Leave::ByPassword,
            Self::Nobody => Leave::Nobody,
        }
    }
}

impl FromStr for Permitted {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "loopback" => Ok(Self::Loopback),
            "password" => Ok(Self::Password),
            "anyone" => Ok(Self::Anyone),
            "nobody" => Ok(Self::Nobody),
            other => Err(format!(
                "must be `loopback`, `password`, `anyone` or `nobody`, found `{other}`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_lets_in_whom_it_names() {
        let nobody = Visitor::default();
        let here = Visitor {
            is_here: true,
            ..nobody
        };
        let signed_in = Visitor {
            signed_in: true,
            ..nobody
        };
        for (word, allowed) in [
            ("loopback", [false, true, true]),
            ("password", [false, false, true]),
            ("anyone", [true, true, true]),
            ("nobody", [false, false, false]),
        ] {
            let permitted: Permitted = word.parse().unwrap();
            let found = [nobody, here, signed_in].map(|who| permitted.leave(who) == Leave::Granted);
            assert_eq!(found, allowed, "{word}");
        }
        let refused = "everyone".parse::<Permitted>().unwrap_err();
        assert!(refused.contains("`everyone`") && refused.contains("`anyone`"));
    }
}
