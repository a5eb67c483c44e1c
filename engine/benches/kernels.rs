//! Matrix products of every kernel that this CPU supports, on one thread: bytes of packed weights and
//! multiply-accumulates (as items) a second. One row of activations is a decode step and reads its weights from
//! memory; 128 rows are a chunk of a prefill.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use nibble_engine::bench::{Case, cases};

fn main() {
    divan::main();
}

#[divan::bench(args = cases([1, 8, 128]))]
fn product(bencher: Bencher<'_, '_>, case: &Case) {
    let mut product = case.prepare();
    bencher
        .counter(BytesCount::new(product.weight_bytes()))
        .counter(ItemsCount::new(product.multiply_accumulates()))
        .bench_local(|| product.run());
}
