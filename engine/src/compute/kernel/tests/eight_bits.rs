//! What rounding keys, values and queries to eight bits costs attention at most.

use super::attention::{HEAD_DIMS, attended};
use super::*;
use crate::compute::kernel::turn::{gain, turn};
use crate::compute::kv::{KvCache, KvMemory, KvPrecision, KvShape};

const POSITIONS: usize = 3 * KEY_BLOCK;

/// Of the highest number of a block: half a step, and what the scale of a key or value loses as a half.
const QUERY_ERROR: f64 = 0.5 / 127.0;
const KV_ERROR: f64 = QUERY_ERROR + 1.0 / 2048.0;

/// A cache of one head with these keys and values, `[POSITIONS, head_dim]`.
fn stored(keys: &[f32], values: &[f32], head_dim: usize) -> KvCache {
    let shape = KvShape {
        kv_heads: 1,
        head_dim,
        precision: KvPrecision::Q8,
        windows: vec![None],
    };
    let mut cache = KvMemory::new(&shape, None).new_cache();
    cache.reserve(POSITIONS).unwrap();
    for mut writer in cache.head_writers(0) {
        let rows = keys.chunks(head_dim).zip(values.chunks(head_dim));
        for (position, (key, value)) in rows.enumerate() {
            writer.store(position, key, value);
        }
    }
    cache.advance(POSITIONS);
    cache
}

fn wide(floats: &[f32]) -> Vec<f64> {
    floats.iter().map(|v| f64::from(*v)).collect()
}

fn turned(floats: &[f32]) -> Vec<f64> {
    let mut floats = floats.to_vec();
    turn(&mut floats);
    wide(&floats)
}

/// How far the product of a query and a key may be from that of the two in eight bits.
fn product_error(query: &[f32], key: &[f32]) -> f64 {
    let (query, key) = (turned(query), turned(key));
    let norm = |numbers: &[f64]| numbers.iter().map(|v| v.abs()).sum::<f64>();
    let highest = |numbers: &[f64]| numbers.iter().fold(0.0, |high: f64, v| high.max(v.abs()));
    let blocks = query.chunks(BLOCK).zip(key.chunks(BLOCK)).map(|(q, k)| {
        let of_number = [QUERY_ERROR * highest(q), KV_ERROR * highest(k)];
        let of_key = of_number[1] * norm(q);
        let of_query = of_number[0] * (norm(k) + of_number[1] * k.len() as f64);
        (of_key + of_query) / f64::from(gain(k.len()))
    });
    blocks.sum()
}

/// Attention in f64, from the definition, and how far one in eight bits may be from it, where no value is above 1.
fn exact(query: &[f32], keys: &[f32], values: &[f32]) -> (Vec<f64>, f64) {
    let (head_dim, root) = (query.len(), (query.len() as f64).sqrt());
    let (mut weights, mut of_score) = (Vec::new(), 0.0_f64);
    for key in keys.chunks(head_dim) {
        let products = wide(key).into_iter().zip(wide(query)).map(|(k, q)| k * q);
        weights.push((products.sum::<f64>() / root).exp());
        of_score = of_score.max(product_error(query, key) / root);
    }
    let sum: f64 = weights.iter().sum();
    let values = wide(values);
    let value = |d: usize| {
        let values = values.iter().skip(d).step_by(head_dim).zip(&weights);
        values.map(|(v, weight)| v * weight).sum::<f64>() / sum
    };
    // A score's error is a factor of its weight, and of their sum.
    let bound = (2.0 * of_score).exp_m1() + KV_ERROR + 1e-5;
    ((0..head_dim).map(value).collect(), bound)
}

#[test]
fn attention_in_eight_bits_is_as_near_to_that_of_floats_as_half_a_step_of_each_number() {
    let mut random = Random::new(17);
    for head_dim in HEAD_DIMS {
        let [keys, values] = [(); 2].map(|()| random.floats(POSITIONS * head_dim));
        let query = random.floats(head_dim);
        let cache = stored(&keys, &values, head_dim);
        let blocks: Vec<_> = cache.layer(0).head(0).blocks(0, POSITIONS).collect();
        let (expected, bound) = exact(&query, &keys, &values);
        let row = QueryRow {
            query: &query,
            start: 0,
            end: POSITIONS,
        };
        for kernel in supported() {
            let [found, _, sums] = attended(kernel, &blocks, &[row], 0, head_dim);
            for (found, expected) in found.iter().zip(&expected) {
                let found = f64::from(found / sums[0]);
                assert!(
                    (found - expected).abs() < bound,
                    "{kernel:?} {head_dim}: {found}, not {expected} within {bound}"
                );
            }
        }
    }
}
