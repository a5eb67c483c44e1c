use proptest::prelude::*;

use super::*;
use crate::compute::kv::{KvMemory, KvPrecision, KvShape};

pub(super) fn memory(windows: &[Option<usize>], blocks: Option<u64>) -> KvMemory {
    let shape = KvShape {
        kv_heads: 1,
        head_dim: 8,
        precision: KvPrecision::F32,
        windows: windows.to_vec(),
    };
    let block = shape.bytes_per_token() * KEY_BLOCK as u64;
    KvMemory::new(&shape, blocks.map(|blocks| blocks * block))
}

/// Computes a sequence as a model would: the key of a position is a digest of all tokens up to it.
pub(super) fn compute(cache: &mut KvCache, tokens: &[u32], layers: usize) {
    let first = cache.len();
    cache.reserve(tokens.len()).unwrap();
    for layer in 0..layers {
        for mut writer in cache.head_writers(layer) {
            for position in first..tokens.len() {
                let number = digest(&tokens[..=position]);
                writer.store(position, &[number; 8], &[number; 8]);
            }
        }
    }
    cache.advance(tokens.len() - first);
}

fn digest(tokens: &[u32]) -> f32 {
    let digest = tokens.iter().fold(7u32, |digest, token| {
        digest.wrapping_mul(31).wrapping_add(*token + 1) % 65_521
    });
    digest as f32
}

pub(super) fn check(cache: &KvCache, tokens: &[u32], layer: usize, window: Option<usize>) {
    let first = window.map_or(0, |window| (cache.len() + 1).saturating_sub(window));
    for position in first..cache.len() {
        let (keys, _) = cache.layer(layer).head(0).exact_block(position / KEY_BLOCK);
        let found = keys[position % KEY_BLOCK * 8];
        assert_eq!(found, digest(&tokens[..=position]), "position {position}");
    }
}

fn alike(_: usize) -> usize {
    0
}

pub(super) fn counted(first: u32, len: u32) -> Vec<u32> {
    (first..first + len).collect()
}

#[test]
fn a_prompt_finds_what_it_shares_and_computes_its_last_token() {
    let memory = memory(&[None], None);
    let mut kept = PrefixCache::default();
    let tokens = counted(0, 100);
    let mut cache = memory.new_cache();
    compute(&mut cache, &tokens, 1);
    kept.keep(&tokens, alike, &mut cache, true);
    for (prompt, expected) in [
        (tokens.clone(), 99),
        (counted(0, 150), 100),
        (counted(0, 64), 63),
        (counted(1, 64), 0),
        ([counted(0, 40), counted(900, 40)].concat(), 40),
    ] {
        let mut cache = memory.new_cache();
        assert_eq!(kept.restore(&prompt, alike, &mut cache), expected);
        compute(&mut cache, &prompt, 1);
        check(&cache, &prompt, 0, None);
    }
}

#[test]
fn other_rotations_share_nothing() {
    let memory = memory(&[None], None);
    let mut kept = PrefixCache::default();
    let tokens = counted(0, 70);
    let mut cache = memory.new_cache();
    compute(&mut cache, &tokens, 1);
    kept.keep(
        &tokens,
        |position| usize::from(position >= 32),
        &mut cache,
        true,
    );
    assert_eq!(kept.restore(&tokens, alike, &mut memory.new_cache()), 32);
}

#[test]
fn the_block_longest_unused_goes_first_and_one_in_use_never() {
    let memory = memory(&[None], Some(4));
    let mut kept = PrefixCache::default();
    let (a, b) = (counted(0, 64), counted(100, 64));
    let mut in_use = memory.new_cache();
    compute(&mut in_use, &a, 1);
    kept.keep(&a, alike, &mut in_use, true);
    let mut cache = memory.new_cache();
    compute(&mut cache, &b, 1);
    kept.keep(&b, alike, &mut cache, true);
    drop(cache);
    assert_eq!(memory.usage().used, 4);
    assert!(kept.evict() && kept.evict() && !kept.evict());
    assert_eq!((memory.usage().used, kept.blocks()), (2, 2));
    assert_eq!(kept.restore(&a, alike, &mut memory.new_cache()), 63);
    drop(in_use);
    assert!(kept.evict() && kept.evict());
    assert_eq!((memory.usage().used, kept.blocks()), (0, 0));
}

#[test]
fn a_window_is_gone_on_from_only_where_it_is_whole() {
    let windows = [None, Some(40)];
    let memory = memory(&windows, None);
    let mut kept = PrefixCache::default();
    let tokens = counted(0, 200);
    let mut cache = memory.new_cache();
    compute(&mut cache, &tokens, 2);
    kept.keep(&tokens, alike, &mut cache, true);
    assert_eq!(
        kept.restore(&counted(0, 201), alike, &mut memory.new_cache()),
        200
    );
    // What positions 60 to 99 were is gone.
    let prompt = [counted(0, 100), counted(900, 9)].concat();
    let mut cache = memory.new_cache();
    assert_eq!(kept.restore(&prompt, alike, &mut cache), 0);
    compute(&mut cache, &prompt, 2);
    kept.keep(&prompt, alike, &mut cache, true);
    check(&cache, &prompt, 1, windows[1]);
}

#[test]
fn what_a_window_has_passed_makes_room_beside_the_sequence_that_goes_on() {
    let windows = [None, Some(40)];
    // Eight blocks of both layers: of 200 positions seven of the first, and two that the window still sees.
    let memory = memory(&windows, Some(8));
    let mut kept = PrefixCache::default();
    let tokens = counted(0, 200);
    let mut running = memory.new_cache();
    compute(&mut running, &tokens, 2);
    kept.keep(&tokens, alike, &mut running, false);
    assert!(kept.make_room(&memory, 16 - (7 + 2)));
    assert!(!kept.make_room(&memory, 16 - (7 + 2) + 1));
    check(&running, &tokens, 0, None);
    check(&running, &tokens, 1, windows[1]);
    // A prompt goes on from it only where the window is whole.
    assert_eq!(
        kept.restore(&counted(0, 100), alike, &mut memory.new_cache()),
        0
    );
    drop(running);
    assert!(kept.make_room(&memory, 16));
    assert_eq!((memory.usage().used, kept.blocks()), (0, 0));
}

#[test]
fn nothing_is_left_of_what_all_windows_have_passed() {
    let memory = memory(&[Some(40)], Some(8));
    let mut kept = PrefixCache::default();
    let tokens = counted(0, 200);
    let mut running = memory.new_cache();
    compute(&mut running, &tokens, 1);
    kept.keep(&tokens, alike, &mut running, false);
    // First what only the beginning of the text has, then the rest.
    let free = memory.available();
    kept.make_room(&memory, free + 1);
    drop(running);
    assert!(kept.make_room(&memory, 8));
    assert_eq!((memory.usage().used, kept.blocks()), (0, 0));
}

proptest! {
    #[test]
    fn whatever_was_kept_and_evicted_a_prompt_gets_its_own_keys(
        prompts in prop::collection::vec((prop::collection::vec(0u32..2, 0..3), 1u32..90, any::<bool>(), 0usize..3), 1..20)
    ) {
        let windows = [None, Some(45)];
        let memory = memory(&windows, Some(40));
        let mut kept = PrefixCache::default();
        for (beginning, len, whole, evictions) in prompts {
            let mut prompt: Vec<u32> = beginning.iter().flat_map(|head| counted(*head, 25)).collect();
            prompt.extend(counted(0, len));
            let mut cache = memory.new_cache();
            let restored = kept.restore(&prompt, alike, &mut cache);
            prop_assert!(restored < prompt.len());
            compute(&mut cache, &prompt, 2);
            check(&cache, &prompt, 0, None);
            check(&cache, &prompt, 1, windows[1]);
            kept.keep(&prompt, alike, &mut cache, whole);
            drop(cache);
            for _ in 0..evictions {
                kept.evict();
            }
            while memory.usage().used > 30 {
                prop_assert!(kept.evict());
            }
        }
        while kept.evict() {}
        prop_assert_eq!((memory.usage().used, kept.blocks()), (0, 0));
    }
}

#[test]
fn what_is_known_of_a_prompt_is_what_it_would_find() {
    let memory = memory(&[None], None);
    let mut kept = PrefixCache::default();
    let tokens = counted(0, 100);
    let mut cache = memory.new_cache();
    compute(&mut cache, &tokens, 1);
    kept.keep(&tokens, alike, &mut cache, true);
    let mut other = tokens.clone();
    other[70] = 7000;
    for prompt in [&tokens[..], &other, &tokens[..33], &tokens[..1], &[]] {
        let found = kept.restore(prompt, alike, &mut memory.new_cache());
        assert_eq!(kept.known(prompt, alike), found, "{}", prompt.len());
    }
}
