use super::*;
use crate::compute::kernel::span::KvBlock;
use crate::compute::kernel::turn::turn;

fn memory(windows: &[Option<usize>], precision: KvPrecision, bytes: Option<u64>) -> KvMemory {
    let shape = KvShape {
        kv_heads: 2,
        head_dim: 8,
        precision,
        windows: windows.to_vec(),
    };
    KvMemory::new(&shape, bytes)
}

/// Bytes of a slab of these shapes in f16.
const SLAB: u64 = (2 * KEY_BLOCK * 2 * 8 * 2) as u64;

/// What is stored for a head of a layer at a position.
fn number(layer: usize, head: usize, position: usize) -> f32 {
    (layer * 400 + head * 200 + position) as f32
}

/// Appends positions up to `len` with their numbers.
fn fill(cache: &mut KvCache, layers: usize, len: usize) {
    let first = cache.len();
    cache.reserve(len).unwrap();
    for layer in 0..layers {
        for (head, mut writer) in cache.head_writers(layer).enumerate() {
            for position in first..len {
                let number = number(layer, head, position);
                writer.store(position, &[number; 8], &[-number; 8]);
            }
        }
    }
    cache.advance(len - first);
}

fn check(cache: &KvCache, layer: usize, positions: std::ops::Range<usize>) {
    for head in 0..2 {
        let first = positions.start / KEY_BLOCK * KEY_BLOCK;
        let blocks = cache.layer(layer).head(head).blocks(first, positions.end);
        for (index, block) in blocks.enumerate() {
            let KvBlock::F16(keys, values) = block else {
                panic!("{block:?}");
            };
            for column in 0..KEY_BLOCK {
                let position = first + index * KEY_BLOCK + column;
                if positions.contains(&position) {
                    let number = number(layer, head, position);
                    let mut key = keys.iter().skip(column).step_by(KEY_BLOCK);
                    assert!(
                        key.all(|k| k.to_f32() == number),
                        "{layer} {head} {position}"
                    );
                    let value = &values[column * 8..][..8];
                    assert!(value.iter().all(|v| v.to_f32() == -number));
                }
            }
        }
    }
}

#[test]
fn every_position_of_every_head_and_layer_has_a_place_of_its_own() {
    let mut cache = memory(&[None, Some(400), None], KvPrecision::F16, None).new_cache();
    for len in [1, 5, 33, 64, 100, 160] {
        fill(&mut cache, 3, len);
    }
    (0..3).for_each(|layer| check(&cache, layer, 0..160));
}

#[test]
fn in_f32_nothing_is_rounded() {
    let mut cache = memory(&[None], KvPrecision::F32, None).new_cache();
    cache.reserve(40).unwrap();
    let (key, value) = ([0.1; 8], [1e9; 8]);
    let mut writers: Vec<_> = cache.head_writers(0).collect();
    writers[1].store(35, &key, &value);
    let (keys, values) = cache.layer(0).head(1).exact_block(1);
    assert_eq!((&keys[24..32], &values[24..32]), (&key[..], &value[..]));
}

#[test]
fn a_full_block_is_shared_and_a_partial_one_copied_when_it_goes_on() {
    let memory = memory(&[None], KvPrecision::F16, Some(10 * SLAB));
    let mut first = memory.new_cache();
    fill(&mut first, 1, 40);
    let mut second = memory.new_cache();
    second.append(&first.stretch(0), KEY_BLOCK);
    second.append(&first.stretch(1), 8);
    assert_eq!(memory.usage().used, 2);
    fill(&mut second, 1, 50);
    assert_eq!(memory.usage().used, 3);
    fill(&mut first, 1, 45);
    assert_eq!(memory.usage().used, 3);
    check(&first, 0, 0..45);
    check(&second, 0, 0..50);
}

#[test]
fn a_sequence_knows_how_many_blocks_are_its_own() {
    let memory = memory(&[None, Some(64)], KvPrecision::F16, None);
    let mut first = memory.new_cache();
    fill(&mut first, 2, 40);
    assert_eq!(first.own(), 4);
    // What is kept for sequences to come is still its own, what another has is not.
    let kept = [first.stretch(0), first.stretch(1)];
    assert_eq!(first.own(), 4);
    let mut second = memory.new_cache();
    second.append(&kept[0], KEY_BLOCK);
    assert_eq!((first.own(), second.own()), (2, 0));
    drop(second);
    // A window has given two blocks back.
    fill(&mut first, 2, 128);
    drop(kept);
    assert_eq!(first.own(), 4 + 2);
}

#[test]
fn the_budget_holds_and_blocks_come_back() {
    let memory = memory(&[None, Some(64)], KvPrecision::F16, Some(6 * SLAB));
    let mut first = memory.new_cache();
    fill(&mut first, 2, 64);
    let mut second = memory.new_cache();
    assert_eq!(memory.available(), 2);
    assert_eq!((second.missing(32), second.missing(33)), (2, 4));
    assert_eq!(second.reserve(33), Err(OutOfBlocks));
    drop(second);
    assert_eq!(memory.usage(), KvUsage { blocks: 3, used: 2 });
    drop(first);
    assert_eq!(memory.usage().used, 0);
    fill(&mut memory.new_cache(), 2, 96);
}

#[test]
fn a_window_gives_back_what_it_no_longer_sees() {
    let memory = memory(&[None, Some(40)], KvPrecision::F16, Some(20 * SLAB));
    let mut cache = memory.new_cache();
    fill(&mut cache, 2, 200);
    // Seven blocks of the layer that sees all, and of the window those of positions 161 to 199.
    let (_, used) = memory.0.pool.usage();
    assert_eq!(used, 7 + 2);
    check(&cache, 0, 0..200);
    check(&cache, 1, 161..200);
    assert!(cache.reaches(200) && !cache.reaches(150));
}

#[test]
fn a_cut_sequence_gives_back_its_end() {
    let memory = memory(&[None], KvPrecision::F16, Some(8 * SLAB));
    let mut cache = memory.new_cache();
    fill(&mut cache, 1, 100);
    cache.truncate(33);
    assert_eq!((cache.len(), memory.usage().used), (33, 2));
    fill(&mut cache, 1, 70);
    check(&cache, 0, 0..70);
}

/// Numbers of a head for a position, none like another's.
fn numbers(head: usize, position: usize, head_dim: usize) -> Vec<f32> {
    let number = |d: usize| ((d * 31 + position * 7 + head * 3) % 127) as f32 / 20.0 - 3.0;
    (0..head_dim).map(number).collect()
}

/// What a block in eight bits stands for at a position: its key, which is turned, and its value.
fn restored(block: &KvBlock<'_>, position: usize) -> [Vec<f32>; 2] {
    let KvBlock::Q8(block) = block else {
        panic!("{block:?}");
    };
    let column = position % KEY_BLOCK;
    let key = block.keys.iter().flat_map(|keys| keys[column]);
    let head_dim = block.values.len() / KEY_BLOCK;
    let value = block.values[column * head_dim..][..head_dim].iter();
    let scaled = |quant: i8, scales: &[[f16; KEY_BLOCK]], d: usize| {
        f32::from(quant) * scales[d / 32][column].to_f32()
    };
    [
        key.enumerate()
            .map(|(d, k)| scaled(k, block.key_scales, d))
            .collect(),
        value
            .enumerate()
            .map(|(d, v)| scaled(*v, block.value_scales, d))
            .collect(),
    ]
}

#[test]
fn in_eight_bits_every_number_is_half_a_step_of_its_block_away_at_most() {
    for head_dim in [8, 40, 64, 80, 256] {
        let shape = KvShape {
            kv_heads: 2,
            head_dim,
            precision: KvPrecision::Q8,
            windows: vec![None],
        };
        let memory = KvMemory::new(&shape, None);
        let mut first = memory.new_cache();
        first.reserve(70).unwrap();
        for (head, mut writer) in first.head_writers(0).enumerate() {
            for position in 0..70 {
                let key = numbers(head, position, head_dim);
                let value: Vec<_> = key.iter().map(|k| 100.0 * k).collect();
                writer.prefetch(position);
                writer.store(position, &key, &value);
            }
        }
        first.advance(70);
        // A copy of the last block says the same.
        let mut second = memory.new_cache();
        (0..2).for_each(|index| second.append(&first.stretch(index), KEY_BLOCK));
        second.append(&first.stretch(2), 6);
        second.reserve(71).unwrap();
        for (cache, head) in [(&first, 0), (&first, 1), (&second, 0), (&second, 1)] {
            let blocks: Vec<_> = cache.layer(0).head(head).blocks(0, 70).collect();
            for position in 0..70 {
                let [key, value] = restored(&blocks[position / KEY_BLOCK], position);
                let exact = numbers(head, position, head_dim);
                let mut turned = exact.clone();
                turn(&mut turned);
                check_blocks(&turned, &key);
                let exact: Vec<_> = exact.iter().map(|k| 100.0 * k).collect();
                check_blocks(&exact, &value);
            }
        }
    }
}

/// Each number is half a step of its block away at most, and what the scale loses as a half.
fn check_blocks(exact: &[f32], found: &[f32]) {
    assert_eq!(exact.len(), found.len());
    for (exact, found) in exact.chunks(32).zip(found.chunks(32)) {
        let highest = exact.iter().fold(0.0, |high: f32, v| high.max(v.abs()));
        let bound = highest * (0.501 / 127.0 + 2.0_f32.powi(-11));
        for (exact, found) in exact.iter().zip(found) {
            assert!((exact - found).abs() <= bound, "{found}, not {exact}");
        }
    }
}

#[test]
fn eight_bits_take_little_more_than_half_of_the_memory() {
    let bytes = |precision| {
        let shape = KvShape {
            kv_heads: 3,
            head_dim: 64,
            precision,
            windows: vec![None; 30],
        };
        shape.bytes_per_token()
    };
    assert_eq!(bytes(KvPrecision::F16), 30 * 3 * 2 * 64 * 2);
    assert_eq!(bytes(KvPrecision::Q8), 30 * 3 * 2 * (64 + 2 * 2));
    assert_eq!(bytes(KvPrecision::F32), 30 * 3 * 2 * 64 * 4);
}
