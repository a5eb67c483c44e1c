//! What the Arm kernels need besides: shapes beyond the buffers that they arrange activations in, knowledge of what an
//! emulated CPU should run, and one product for the instruction counter.

use super::*;

#[test]
fn rows_longer_than_any_buffer_give_the_bits_of_scalar() {
    let mut random = Random::new(8);
    for format in Format::QUANTIZED {
        let (low, high) = (lowest(format), highest(format));
        for (blocks_in_row, m) in [
            (8, 1),
            (9, 1),
            (145, 1),
            (145, 2),
            (70, 3),
            (66, 7),
            (3, 260),
        ] {
            // The largest dot products with the same sign in every block, then random ones.
            let mut blocks = random.blocks(format, 17, blocks_in_row);
            for (row, quant) in [(1, low), (2, high)] {
                for block in &mut blocks[row * blocks_in_row..][..blocks_in_row] {
                    block.quants = [quant; BLOCK];
                }
            }
            for x in [
                vec![1.0; m * blocks_in_row * BLOCK],
                vec![-1.0; m * blocks_in_row * BLOCK],
                random.floats(m * blocks_in_row * BLOCK),
            ] {
                let expected = product(scalar(), &pack(scalar(), format, 17, &blocks), &x, 1);
                for kernel in supported() {
                    let found = product(kernel, &pack(kernel, format, 17, &blocks), &x, 1);
                    let shape = (blocks_in_row, m);
                    assert_eq!(
                        bits(&found),
                        bits(&expected),
                        "{kernel:?} {format:?} {shape:?}"
                    );
                }
            }
        }
    }
}

/// Under an emulator, whose CPU is known, this keeps a kernel that is not detected from passing every test.
#[test]
fn this_cpu_has_the_kernels_that_are_expected_of_it() {
    if let Ok(expected) = std::env::var("NIBBLE_EXPECT_KERNELS") {
        let names: Vec<_> = supported().map(Kernel::name).collect();
        assert_eq!(names.join(","), expected);
    }
}

/// `engine/scripts/arm-count` says which product.
#[test]
#[ignore = "tests nothing: it runs under a counter of instructions"]
fn one_product_to_count() {
    /// Rows and columns of the matrix, those of Llama 3.1 8B.
    const SIZE: usize = 4096;
    let variable = |name| std::env::var(name).expect(name);
    let kernel = choose(Some(&variable("NIBBLE_COUNT_KERNEL"))).unwrap();
    let format = Format::QUANTIZED
        .into_iter()
        .find(|format| format!("{format:?}") == variable("NIBBLE_COUNT_FORMAT"))
        .expect("a format");
    let m: usize = variable("NIBBLE_COUNT_ROWS").parse().unwrap();
    let mut random = Random::new(7);
    // No count depends on the values.
    let blocks = vec![random.block(format); SIZE * SIZE / BLOCK];
    let matrix = pack(kernel, format, SIZE, &blocks);
    product(kernel, &matrix, &random.floats(m * SIZE), 1);
}
