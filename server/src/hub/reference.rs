//! What a person may mean by a model: a path, a short name, or a repository on the hub.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use super::error::Error;
use super::names::{self, DEFAULT_NAME, KnownModel};

const MAIN: &str = "main";
/// What the hub allows.
const MAX_NAME: usize = 96;
const MAX_REVISION: usize = 200;

/// Where a model is meant to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// A file or a folder, there or not.
    Path(PathBuf),
    Default,
    Hub(HubModel),
}

/// A model on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HubModel {
    /// `owner/name`.
    pub(super) repository: String,
    /// A branch, a tag or a commit.
    pub(super) revision: String,
    /// A GGUF file of the repository, or how its weights are quantised, such as `Q4_0`.
    pub(super) file: Option<String>,
}

impl Reference {
    /// A path that exists wins; nothing at all means the default model.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is neither a path, nor a name, nor a repository.
    pub(super) fn parse(named: &Path) -> Result<Self, Error> {
        let text = match named.to_str() {
            Some("") => return Ok(Self::Default),
            Some(text) if !named.exists() => text,
            _ => return Ok(Self::Path(named.to_owned())),
        };
        Self::of_name(text)
    }

    /// What a text means whatever is there: a path is one that looks like it.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub(super) fn of_name(text: &str) -> Result<Self, Error> {
        match names::known(text) {
            Some(model) if model.name == DEFAULT_NAME => return Ok(Self::Default),
            Some(model) => return Ok(Self::Hub(model.into())),
            None => {}
        }
        match HubModel::parse(text) {
            Some(Ok(model)) => Ok(Self::Hub(model)),
            Some(Err(why)) => Err(Error::Usage(format!("`{text}`: {why}"))),
            None if is_like_a_path(text) => Ok(Self::Path(text.into())),
            None => Err(Error::Usage(unknown(text))),
        }
    }
}

fn is_like_a_path(text: &str) -> bool {
    let ends = [".gguf", ".safetensors", "/"];
    text.contains(['/', '\\']) || ends.iter().any(|end| text.ends_with(end))
}

fn unknown(text: &str) -> String {
    let near = names::near(text);
    let near = match near[..] {
        [] => String::new(),
        _ => format!("did you mean `{}`? ", near.join("`, `")),
    };
    format!(
        "`{text}` is no file or folder, no short name and no repository on the hub (`owner/name`); {near}`nibble \
         models` lists the short names"
    )
}

impl HubModel {
    /// `owner/name`, with `@revision` or `:file.gguf` or both behind it; none when it does not look like one. What looks
    /// like one and is none is an error.
    pub(super) fn parse(text: &str) -> Option<Result<Self, String>> {
        let text = ["https://huggingface.co/", "hf.co/"]
            .iter()
            .find_map(|site| text.strip_prefix(site))
            .unwrap_or(text);
        let (text, file) = match text.split_once(':') {
            Some((text, file)) => (text, Some(file)),
            None => (text, None),
        };
        let (repository, revision) = text.split_once('@').unwrap_or((text, MAIN));
        let (owner, name) = repository.split_once('/')?;
        let is_path = owner.starts_with(['.', '~']) || name.contains(['/', '\\']);
        if owner.is_empty() || name.is_empty() || is_path {
            return None;
        }
        if file.is_none()
            && [".gguf", ".safetensors"]
                .iter()
                .any(|end| name.ends_with(end))
        {
            // A file that is not there.
            return None;
        }
        Some(checked(owner, name, revision, file))
    }

    /// Its short name, where it has one.
    pub(super) fn known(&self) -> Option<&'static KnownModel> {
        let is = |model: &&KnownModel| {
            model.name != DEFAULT_NAME
                && model.repository == self.repository
                && model.file == self.file.as_deref()
        };
        names::KNOWN_MODELS
            .iter()
            .find(is)
            .filter(|_| self.revision == MAIN)
    }

    /// The name of its folder inside the owner's; parts are told apart by characters that names cannot have.
    pub(super) fn folder(&self) -> String {
        let (_, name) = self.repository.split_once('/').unwrap_or_default();
        let mut folder = name.to_owned();
        if self.revision != MAIN {
            folder += &format!("@{}", self.revision.replace('/', "%2F"));
        }
        if let Some(file) = &self.file {
            folder += &format!("+{file}");
        }
        folder
    }

    pub(super) fn owner(&self) -> &str {
        self.repository.split_once('/').unwrap_or_default().0
    }
}

fn checked(
    owner: &str,
    name: &str,
    revision: &str,
    file: Option<&str>,
) -> Result<HubModel, String> {
    let repository = format!("{owner}/{name}");
    let plain = |part: &str, more: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || more.contains(c);
        !part.is_empty()
            && part.chars().all(known)
            && !part.starts_with('.')
            && !part.contains("..")
    };
    if repository.len() > MAX_NAME || !plain(owner, "") || !plain(name, "") {
        return Err(format!(
            "a repository is `owner/name` in at most {MAX_NAME} letters, digits, `-`, `_` and `.`, found `{repository}`"
        ));
    }
    if revision.len() > MAX_REVISION || !plain(revision, "/") || revision.starts_with('/') {
        return Err(format!(
            "a revision is a branch, a tag or a commit, found `{revision}`"
        ));
    }
    if let Some(file) = file.filter(|file| file.len() > MAX_REVISION || !plain(file, "")) {
        return Err(format!(
            "behind `:` comes a GGUF file of the repository or its quantisation, such as `Q4_0`, found `{file}`"
        ));
    }
    Ok(HubModel {
        repository,
        revision: revision.to_owned(),
        file: file.map(str::to_owned),
    })
}

impl From<&KnownModel> for HubModel {
    fn from(model: &KnownModel) -> Self {
        Self {
            repository: model.repository.to_owned(),
            revision: MAIN.to_owned(),
            file: model.file.map(str::to_owned),
        }
    }
}

/// As it is typed.
impl Display for HubModel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if self.revision != MAIN {
            write!(f, "@{}", self.revision)?;
        }
        match &self.file {
            Some(file) => write!(f, ":{file}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Reference, String> {
        Reference::parse(Path::new(text)).map_err(|error| error.to_string())
    }

    fn hub(repository: &str, revision: &str, file: Option<&str>) -> Reference {
        Reference::Hub(HubModel {
            repository: repository.into(),
            revision: revision.into(),
            file: file.map(str::to_owned),
        })
    }

    #[test]
    fn names_repositories_and_paths_are_told_apart() {
        for (text, meant) in [
            ("", Reference::Default),
            ("smollm2", Reference::Default),
            (
                "SmolLM2:360m",
                hub("HuggingFaceTB/SmolLM2-360M-Instruct", "main", None),
            ),
            ("a/b", hub("a/b", "main", None)),
            ("a/b.c@refs/pr/1", hub("a/b.c", "refs/pr/1", None)),
            ("a/b:x.gguf", hub("a/b", "main", Some("x.gguf"))),
            ("hf.co/a/b@v1:Q4_0", hub("a/b", "v1", Some("Q4_0"))),
            ("https://huggingface.co/a/b", hub("a/b", "main", None)),
        ] {
            assert_eq!(parse(text).unwrap(), meant, "{text}");
        }
        for path in [
            "no-such.gguf",
            "models/no-such.gguf",
            "./a/b",
            "/a/b",
            "a/b/c",
            "../b",
            "a/",
        ] {
            assert_eq!(parse(path).unwrap(), Reference::Path(path.into()), "{path}");
        }
    }

    #[test]
    fn a_path_that_exists_wins_over_a_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["llama3.1", "a/b"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            assert_eq!(Reference::parse(&path).unwrap(), Reference::Path(path));
        }
        // Cargo runs tests in the crate's folder, where `src` is.
        assert_eq!(parse("src").unwrap(), Reference::Path("src".into()));
        assert_eq!(parse("src/hub").unwrap(), Reference::Path("src/hub".into()));
    }

    #[test]
    fn what_is_neither_is_refused_with_what_was_tried_and_what_is_near() {
        let message = parse("lama3.1").unwrap_err();
        for words in [
            "`lama3.1`",
            "short name",
            "owner/name",
            "`llama3.1`",
            "nibble models",
        ] {
            assert!(message.contains(words), "no `{words}` in: {message}");
        }
        for (text, words) in [
            ("a b/c", "`a b/c`"),
            ("a/b@", "revision"),
            ("a/b@../x", "revision"),
            ("a/b:", "GGUF"),
            ("a/b:../x", "GGUF"),
            ("a/b:x/y.gguf", "GGUF"),
            (&format!("a/{}", "b".repeat(99)), "at most 96"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
    }

    #[test]
    fn what_is_shown_can_be_typed_and_has_a_folder_of_its_own() {
        let mut folders = Vec::new();
        for text in ["a/b", "a/b@v1", "a/b:x.gguf", "a/b@r/1:x.gguf"] {
            let model = HubModel::parse(text).unwrap().unwrap();
            assert_eq!(model.to_string(), text);
            assert!(!model.folder().contains('/'));
            folders.push(model.folder());
        }
        folders.dedup();
        assert_eq!(folders.len(), 4);
    }
}
