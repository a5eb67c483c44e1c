//! The next token from random logits: every kind of setting, for vocabularies of 49 k to 152 k tokens, flat and peaked.
//! A decode step of the smallest model takes some 2,500 microseconds.

use divan::Bencher;
use nibble_engine::bench::{Draw, draws};

fn main() {
    divan::main();
}

#[divan::bench(args = draws())]
fn draw(bencher: Bencher<'_, '_>, draw: &Draw) {
    let mut draw = draw.prepare();
    bencher.bench_local(|| draw.run());
}
