use half::f16;
use serde::Deserialize;

use super::*;

fn dequantised(kind: TensorType, bytes: &[u8]) -> Vec<f32> {
    kind.dequantize(bytes)
}

#[test]
fn four_bit_blocks_hold_numbers_j_and_j_plus_16_in_one_byte() {
    let mut block = f16::from_f32(0.5).to_le_bytes().to_vec();
    block.extend((0..16).map(|j| j | ((15 - j) << 4)));
    let numbers = dequantised(TensorType::Q4_0, &block);
    for j in 0..16u8 {
        assert_eq!(numbers[usize::from(j)], (f32::from(j) - 8.0) * 0.5);
        assert_eq!(numbers[usize::from(j) + 16], (7.0 - f32::from(j)) * 0.5);
    }

    block.splice(2..2, f16::from_f32(-3.0).to_le_bytes());
    let numbers = dequantised(TensorType::Q4_1, &block);
    assert_eq!(numbers[3], 3.0 * 0.5 - 3.0);
    assert_eq!(numbers[19], 12.0 * 0.5 - 3.0);
}

#[test]
fn eight_bit_quants_are_signed() {
    let mut block = f16::from_f32(0.25).to_le_bytes().to_vec();
    block.extend((0..32).map(|j: u8| j.wrapping_sub(16)));
    let numbers = dequantised(TensorType::Q8_0, &block);
    assert_eq!((numbers[0], numbers[31]), (-4.0, 3.75));
}

#[test]
fn plain_floats_are_read_as_little_endian() {
    assert_eq!(dequantised(TensorType::F32, &1.5f32.to_le_bytes()), [1.5]);
    assert_eq!(
        dequantised(TensorType::F16, &f16::from_f32(-2.5).to_le_bytes()),
        [-2.5]
    );
    assert_eq!(dequantised(TensorType::BF16, &[0x80, 0x3f]), [1.0]);
}

/// Random blocks of one type and what the Python package `gguf` makes of them, in hexadecimal.
#[derive(Deserialize)]
struct Golden {
    kind: String,
    blocks: String,
    numbers: String,
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    let byte = |digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

fn golden() -> Vec<Golden> {
    let golden = include_str!("../../../../tests/fixtures/quantized_blocks.json");
    serde_json::from_str(golden).unwrap()
}

/// A few blocks of each type.
pub(crate) fn golden_blocks() -> impl Iterator<Item = (TensorType, Vec<u8>)> {
    let types = TensorType::NUMBERS.iter().map(|(_, kind)| *kind);
    let bytes = golden().into_iter().map(|case| unhex(&case.blocks));
    types.zip(bytes)
}

#[test]
fn every_type_gives_the_numbers_that_the_gguf_package_gives() {
    let golden = golden();
    assert_eq!(golden.len(), TensorType::NUMBERS.len());
    for (case, (_, kind)) in golden.iter().zip(TensorType::NUMBERS) {
        assert_eq!(case.kind, format!("{kind:?}"));
        let expected = unhex(&case.numbers);
        let expected = expected
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b));
        let expected: Vec<f32> = expected.collect();
        let found = kind.dequantize(&unhex(&case.blocks));
        assert_eq!(found, expected, "{kind:?}");
    }
}
