use proptest::prelude::*;

use super::*;

fn places<const N: usize>(place: &mut Place, tokens: [&[u8]; N]) -> [usize; N] {
    tokens.map(|token| place.of(token))
}

#[test]
fn tokens_stand_where_their_characters_begin() {
    let mut place = Place::default();
    place.extend("Né");
    place.end();
    let tokens: [&[u8]; 4] = [b"<s>", b" N", b"\xc3", b"\xa9"];
    assert_eq!(places(&mut place, tokens), [0, 0, 1, 2]);
    place.extend("!?");
    assert_eq!(places(&mut place, [b"!", b"?"]), [2, 3]);
    place.end();
    assert_eq!(place.of(b"x"), 4);
}

#[test]
fn a_token_that_ends_within_a_character_is_followed_by_the_rest_of_it() {
    let mut place = Place::default();
    for (text, token, at) in [
        ("So", &b"So"[..], 0),
        (" ", b" \xf0\x9f", 2),
        ("😀", b"\x98\x80", 4),
        ("!", b"!", 4),
    ] {
        place.extend(text);
        assert_eq!(place.of(token), at, "{text}");
    }
}

#[test]
fn what_is_held_back_of_a_token_is_expected() {
    let mut place = Place::default();
    place.extend("a.\n");
    assert_eq!(places(&mut place, [b"a", b".\n\n"]), [0, 1]);
    // It was no stop text.
    place.extend("\nbc");
    assert_eq!(places(&mut place, [&b"b"[..], b"c\n"]), [4, 5]);
    // Of this one nothing more is shown.
    place.end();
    assert_eq!(places(&mut place, [&b"Observation"[..], b":"]), [6, 6]);
}

#[test]
fn a_token_of_the_text_may_be_expected_in_vain() {
    let mut place = Place::default();
    place.extend("a");
    assert_eq!(places(&mut place, [&b"a"[..], b"<|hidden|>"]), [0, 1]);
    place.extend("bc");
    assert_eq!(places(&mut place, [b"b", b"c"]), [1, 2]);
}

#[test]
fn bytes_that_are_no_character_stand_for_one_each() {
    let mut place = Place::default();
    place.extend("\u{fffd}\u{fffd}a\u{fffd}");
    place.end();
    let tokens: [&[u8]; 3] = [b"\x98\x80", b"a", b"\xf0\x9f"];
    assert_eq!(places(&mut place, tokens), [0, 2, 3]);
    place.end();
    place.extend("\u{fffd}b");
    assert_eq!(places(&mut place, [b"\x98", b"b"]), [4, 5]);
}

/// As a stream tells tokens: each with the text that is shown when it has come, of which some is held back.
fn streamed(tokens: &[&[u8]], held: &[usize]) -> Vec<usize> {
    let (mut place, mut places, mut waiting) = (Place::default(), Vec::new(), Vec::new());
    let (mut bytes, mut shown) = (Vec::new(), 0);
    for (token, held) in tokens.iter().zip(held) {
        bytes.extend_from_slice(token);
        waiting.push(*token);
        let text = read(bytes.clone()).0;
        let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        let ends: Vec<_> = ends.collect();
        let end = ends[ends.len().saturating_sub(1 + held)].max(shown);
        if end > shown {
            place.extend(&text[shown..end]);
            places.extend(waiting.drain(..).map(|token| place.of(token)));
            shown = end;
        }
    }
    let text = read(bytes).0;
    if text.len() > shown {
        place.extend(&text[shown..]);
    }
    place.end();
    places.extend(waiting.into_iter().map(|token| place.of(token)));
    places
}

proptest! {
    #[test]
    fn how_a_text_is_cut_makes_no_difference(
        text in "[ab é😀\n]{0,20}",
        cuts in prop::collection::vec((1usize..6, 0usize..4), 80),
    ) {
        let (mut tokens, mut rest) = (Vec::new(), text.as_bytes());
        for (length, _) in &cuts {
            let (token, behind) = rest.split_at(rest.len().min(*length));
            tokens.push(token);
            rest = behind;
        }
        tokens.retain(|token| !token.is_empty());
        let mut whole = Place::default();
        whole.extend(&text);
        whole.end();
        let expected: Vec<_> = tokens.iter().map(|token| whole.of(token)).collect();
        let held: Vec<_> = cuts.iter().map(|(_, held)| *held).collect();
        prop_assert_eq!(streamed(&tokens, &held), expected.clone());
        let mut bytes = 0;
        for (token, place) in tokens.iter().zip(expected) {
            // Every byte but those that go on with a character begins one.
            let begun = text.bytes().take(bytes).filter(|byte| byte & 0xc0 != 0x80);
            prop_assert_eq!(place, begun.count());
            bytes += token.len();
        }
    }
}
