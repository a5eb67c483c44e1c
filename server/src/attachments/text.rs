//! Bytes as text: UTF-8, or UTF-16 where its mark stands before it.

/// The text, without its mark; nothing where it is none. A zero stands in no text, but in about every other file.
pub(super) fn decoded(bytes: &[u8]) -> Option<String> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] => str::from_utf8(rest).ok()?.to_owned(),
        _ => str::from_utf8(bytes).ok()?.to_owned(),
    };
    (!text.contains('\0')).then_some(text)
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_and_marked_utf_16_are_text() {
        for bytes in [
            "aé🦔".as_bytes().to_vec(),
            "\u{feff}aé🦔".as_bytes().to_vec(),
            "\u{feff}aé🦔"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
            "\u{feff}aé🦔"
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect(),
        ] {
            assert_eq!(decoded(&bytes).as_deref(), Some("aé🦔"), "{bytes:x?}");
        }
    }

    #[test]
    fn halves_zeros_and_other_encodings_are_none() {
        for bytes in [
            &b"a\0"[..],
            b"\xff",
            b"caf\xe9",
            b"\xff\xfea",
            b"\xff\xfe\x00\xd8",
            b"\xff\xfe\0\0a\0\0\0",
            b"\xed\xa0\x80",
        ] {
            assert_eq!(decoded(bytes), None, "{bytes:x?}");
        }
    }
}
