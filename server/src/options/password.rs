//! Who may open the page.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use nibble_server::sign_in::SignIn;

/// The password of the page.
#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// A file with the one password that opens the page; who has it shares all chats of those who have it. It does
    /// not guard the API: --api-key-file does
    #[arg(
        long,
        env = "NIBBLE_PASSWORD_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    password_file: Option<OsString>,
}

impl PasswordArgs {
    /// What asks for the password, where there is one.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no password.
    pub(crate) fn sign_in(&self) -> Result<Option<SignIn>> {
        // An environment file may leave it empty.
        let named = self.password_file.as_deref().map(Path::new);
        let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) else {
            return Ok(None);
        };
        let shown = path.display();
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the password in `{shown}`"))?;
        let sign_in = SignIn::new(&text)
            .map_err(|reason| anyhow!("the password in `{shown}` cannot be used: {reason}"))?;
        Ok(Some(sign_in))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        password: PasswordArgs,
    }

    #[test]
    fn an_empty_name_is_no_password() {
        let command = Command::try_parse_from(["nibble", "--password-file", ""]).unwrap();
        assert!(command.password.sign_in().unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let command = Command::try_parse_from(["nibble", "--password-file", "/none"]).unwrap();
        let error = command.password.sign_in().err().unwrap();
        assert!(error.to_string().contains("`/none`"), "{error}");
    }
}
