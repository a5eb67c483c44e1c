use super::*;

fn memory(windows: &[Option<usize>], precision: Precision, bytes: Option<u64>) -> KvMemory {
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
        for (index, (keys, values)) in blocks.enumerate() {
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
    let mut cache = memory(&[None, Some(400), None], Precision::F16, None).new_cache();
    for len in [1, 5, 33, 64, 100, 160] {
        fill(&mut cache, 3, len);
    }
    (0..3).for_each(|layer| check(&cache, layer, 0..160));
}

#[test]
fn in_f32_nothing_is_rounded() {
    let mut cache = memory(&[None], Precision::F32, None).new_cache();
    cache.reserve(40).unwrap();
    let (key, value) = ([0.1; 8], [1e9; 8]);
    let mut writers: Vec<_> = cache.head_writers(0).collect();
    writers[1].store(35, &key, &value);
    let (keys, values) = cache.layer(0).head(1).exact_block(1);
    assert_eq!((&keys[24..32], &values[24..32]), (&key[..], &value[..]));
}

#[test]
fn a_full_block_is_shared_and_a_partial_one_copied_when_it_goes_on() {
    let memory = memory(&[None], Precision::F16, Some(10 * SLAB));
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
fn the_budget_holds_and_blocks_come_back() {
    let memory = memory(&[None, Some(64)], Precision::F16, Some(6 * SLAB));
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
    let memory = memory(&[None, Some(40)], Precision::F16, Some(20 * SLAB));
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
    let memory = memory(&[None], Precision::F16, Some(8 * SLAB));
    let mut cache = memory.new_cache();
    fill(&mut cache, 1, 100);
    cache.truncate(33);
    assert_eq!((cache.len(), memory.usage().used), (33, 2));
    fill(&mut cache, 1, 70);
    check(&cache, 0, 0..70);
}
