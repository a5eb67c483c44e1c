//! An answer computed again: whether it is the same, and what is another than it was.

use super::Origin;

/// How much text stands around the place where two texts part.
const AROUND: usize = 60;

/// What came of computing an answer again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// All tokens are the same, so many of them.
    Same(usize),
    /// It was cut off and gone on with: each of so many pieces is the same.
    SameInPieces(usize),
    /// As far as the answer was written it is the same; it had been cut off.
    SameSoFar,
    /// The text is the same, of so many tokens then and so many now.
    OtherTokens(usize, usize),
    /// The texts part.
    Differs(Parting),
    /// It could not be computed to its end, for this reason.
    Failed(String),
}

/// Where two texts part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parting {
    /// Characters that are the same.
    pub characters: usize,
    /// The last of them.
    pub common: String,
    /// What followed then.
    pub before: String,
    /// What follows now.
    pub now: String,
}

/// What is another than when the answer was made, of the same model: no other one computes it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The model's files were written anew.
    Files,
    /// How its weights are held, then and now.
    Quantization(String, String),
    /// How keys and values are held, then and now.
    Kv(String, String),
    /// The matrix kernel, then and now: all give the same bits.
    Kernel(String, String),
    /// Threads, then and now, which change no bit either.
    Threads(usize, usize),
    /// The program's version, then and now.
    Version(String, String),
}

impl Changed {
    /// What of an answer's origin is another now; nothing of what is not known of it.
    #[must_use]
    pub fn between(then: &Origin, now: &Origin) -> Vec<Self> {
        let known = |then: &String, now: &String| !then.is_empty() && then != now;
        let both = |then: &String, now: &String, changed: fn(String, String) -> Self| {
            known(then, now).then(|| changed(then.clone(), now.clone()))
        };
        let files = known(&then.fingerprint, &now.fingerprint);
        let threads = (then.threads != 0 && then.threads != now.threads)
            .then_some(Self::Threads(then.threads, now.threads));
        [
            files.then_some(Self::Files),
            both(&then.quantization, &now.quantization, Self::Quantization),
            both(&then.kv, &now.kv, Self::Kv),
            both(&then.kernel, &now.kernel, Self::Kernel),
            threads,
            both(&then.version, &now.version, Self::Version),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Parting {
    /// Where two texts part; nothing where they are the same.
    #[must_use]
    pub fn of(before: &str, now: &str) -> Option<Self> {
        if before == now {
            return None;
        }
        let pairs = before.chars().zip(now.chars());
        let same = pairs.take_while(|(one, other)| one == other);
        let (mut characters, mut bytes) = (0, 0);
        for (character, _) in same {
            characters += 1;
            bytes += character.len_utf8();
        }
        let begin = |text: &str| text.chars().take(AROUND).collect();
        let common = before[..bytes].chars();
        Some(Self {
            characters,
            common: common.skip(characters.saturating_sub(AROUND)).collect(),
            before: begin(&before[bytes..]),
            now: begin(&now[bytes..]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_part_at_a_character() {
        assert_eq!(Parting::of("a中b", "a中b"), None);
        let parting = Parting::of("a中b", "a中国").unwrap();
        assert_eq!((parting.characters, &*parting.common), (2, "a中"));
        assert_eq!((&*parting.before, &*parting.now), ("b", "国"));
        let longer = Parting::of(&"x".repeat(200), &"x".repeat(300)).unwrap();
        assert_eq!((longer.characters, longer.common.len()), (200, AROUND));
        assert_eq!((longer.before.len(), longer.now.len()), (0, AROUND));
    }

    #[test]
    fn what_is_not_known_of_an_origin_has_not_changed() {
        let now = Origin {
            model: "Tiny".into(),
            kv: "q8".into(),
            kernel: "avx2".into(),
            threads: 2,
            version: "2".into(),
            fingerprint: "b".into(),
            ..Origin::default()
        };
        let mut then = Origin {
            model: "Tiny".into(),
            ..Origin::default()
        };
        assert_eq!(Changed::between(&then, &now), []);
        then.kv = "f16".into();
        then.kernel = "scalar".into();
        then.fingerprint = "a".into();
        then.version = "1".into();
        let changed = [
            Changed::Files,
            Changed::Kv("f16".into(), "q8".into()),
            Changed::Kernel("scalar".into(), "avx2".into()),
            Changed::Version("1".into(), "2".into()),
        ];
        assert_eq!(Changed::between(&then, &now), changed);
    }
}
