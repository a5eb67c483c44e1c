use super::*;
use crate::checkpoint::{MappedFile, golden_blocks};

/// The largest error of a matrix of two rows, relative to its largest number.
fn error(kind: TensorType, bytes: &[u8], want: Want) -> (Format, f32) {
    let numbers = kind.dequantize(bytes);
    let cols = numbers.len() / 2;
    let file = MappedFile::of_bytes("w", bytes);
    let tensor = Tensor {
        name: "w",
        shape: vec![2, cols],
        kind,
        bytes: &file,
        file: &file,
    };
    let source = StoredMatrix::new(tensor, RowOrder::AsStored).source(want);
    let mut largest = 0.0f32;
    for (row, numbers) in numbers.chunks_exact(cols).enumerate() {
        for (block, numbers) in numbers.as_chunks::<BLOCK>().0.iter().enumerate() {
            let restored = (source.blocks)(row, block).dequantize();
            for (restored, number) in restored.iter().zip(numbers) {
                largest = largest.max((restored - number).abs());
            }
        }
    }
    let highest = numbers.iter().fold(0.0, |high: f32, w| high.max(w.abs()));
    (source.format, largest / highest)
}

#[test]
fn what_a_packed_format_can_hold_is_taken_as_it_is_stored() {
    for (kind, bytes) in golden_blocks() {
        let bound = match kind {
            TensorType::Q4_0 | TensorType::Q4_1 | TensorType::Q8_0 => 0.0,
            TensorType::Q5_0 | TensorType::IQ4_NL => 0.0,
            // Products of two scales, rounded to f16.
            TensorType::Q4_K => 1.0 / 1024.0,
            TensorType::Q5_1 | TensorType::Q5_K | TensorType::Q6_K => 0.51 / 127.0,
            _ => continue,
        };
        // What floats would be rounded to does not matter.
        for other in [Format::Int4, Format::Q8] {
            let (format, error) = error(kind, &bytes, Want::Stored(other));
            assert_eq!(Some(format), stored_format(kind));
            assert!(error <= bound, "{kind:?}: {error}");
        }
    }
}

#[test]
fn every_type_can_be_rounded_to_every_format() {
    for (kind, bytes) in golden_blocks() {
        if kind.is_float() {
            continue;
        }
        for (want, bound) in [
            (Format::Q8, 0.51 / 127.0),
            (Format::Int4, 0.6 * 2.0 / 15.0),
            // The scale of a row may cut off its largest numbers.
            (Format::Int4Channel, 0.3),
        ] {
            let (format, error) = error(kind, &bytes, Want::Rounded(want));
            assert_eq!(format, want);
            assert!(error <= bound, "{kind:?} as {want:?}: {error}");
        }
    }
}
