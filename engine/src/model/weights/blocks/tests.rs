use super::*;
use crate::compute::block::BLOCK;
use crate::files::checkpoint::{ModelFile, golden_blocks};
use crate::model::weights::Quantize;

fn int4(name: &str) -> RoundingTarget<'static> {
    match name.parse() {
        Ok(Quantize::Int4(int4)) => RoundingTarget::Int4(int4, None),
        other => panic!("{other:?}"),
    }
}

/// The rows of a matrix of two rows of 32 numbers, as what is wanted.
fn rows(kind: TensorType, bytes: &[u8], request: WeightRequest<'_>) -> Result<Vec<f32>, String> {
    let file = ModelFile::of_bytes("model.gguf", bytes);
    let tensor = Tensor {
        name: "blk.0.ffn_up.weight",
        shape: vec![2, BLOCK],
        kind,
        place: 0..file.len(),
        file: &file,
    };
    let source = StoredMatrix::new(tensor, RowOrder::AsStored).source(request);
    let of_row = |row| match &source.rows {
        RowSource::Floats(write) => {
            let mut floats = vec![0.0; BLOCK];
            write(row, &mut floats).map(|()| floats)
        }
        RowSource::Blocks(write) => {
            let mut blocks = [Block::ZERO];
            write(row, &mut blocks).map(|()| blocks[0].dequantize().to_vec())
        }
    };
    let rows: Result<Vec<_>, Error> = (0..2).map(of_row).collect();
    rows.map(|rows| rows.concat())
        .map_err(|error| error.to_string())
}

#[test]
fn floats_are_kept_exactly_in_the_narrowest_type_that_holds_them() {
    for (kind, bytes) in golden_blocks() {
        let (format, error) = {
            let file = ModelFile::of_bytes("w", &bytes);
            let mut numbers = kind.dequantize(&bytes);
            numbers.truncate(numbers.len() / BLOCK * BLOCK);
            let tensor = Tensor {
                name: "w",
                shape: vec![1, numbers.len()],
                kind,
                place: 0..file.len(),
                file: &file,
            };
            let source =
                StoredMatrix::new(tensor, RowOrder::AsStored).source(WeightRequest::Floats);
            let RowSource::Floats(write) = &source.rows else {
                panic!("blocks are wanted as floats");
            };
            let mut found = vec![0.0; numbers.len()];
            write(0, &mut found).unwrap();
            (source.format, found != numbers)
        };
        assert!(!error, "{kind:?}");
        let narrow = kind == TensorType::BF16;
        assert_eq!(format == Format::Bf16, narrow, "{kind:?}");
    }
}

#[test]
fn what_is_no_number_is_refused_with_the_name_of_its_tensor() {
    let requests = [
        WeightRequest::Floats,
        WeightRequest::Stored(RoundingTarget::Q8),
        WeightRequest::Stored(int4("g32")),
        WeightRequest::Rounded(int4("channel-min")),
    ];
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut numbers = [0.5; 2 * BLOCK];
        numbers[BLOCK + 5] = number;
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        for request in requests {
            let refused = rows(TensorType::F32, &bytes, request).unwrap_err();
            for word in ["model.gguf", "`blk.0.ffn_up.weight`", "in row 1"] {
                assert!(refused.contains(word), "{refused}");
            }
        }
    }
    // A scale that is no number, in blocks that are taken as they are.
    let mut block = [0; 18];
    block[..2].copy_from_slice(&f16::NAN.to_le_bytes());
    let blocks = [[0; 18], block].concat();
    let refused = rows(
        TensorType::Q4_0,
        &blocks,
        WeightRequest::Stored(int4("g32")),
    )
    .unwrap_err();
    assert!(refused.contains("in row 1"), "{refused}");
    // Numbers that are finite, but beyond what a scale can reach.
    let bytes: Vec<u8> = [1e30f32; 2 * BLOCK]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .collect();
    let refused = rows(TensorType::F32, &bytes, WeightRequest::Stored(int4("g32"))).unwrap_err();
    assert!(refused.contains("range of an f16"), "{refused}");
    assert!(rows(TensorType::F32, &bytes, WeightRequest::Floats).is_ok());
}

/// The largest error of a matrix of two rows, relative to its largest number.
fn error(kind: TensorType, bytes: &[u8], request: WeightRequest<'_>) -> (Format, f32) {
    let numbers = kind.dequantize(bytes);
    let cols = numbers.len() / 2;
    let file = ModelFile::of_bytes("w", bytes);
    let tensor = Tensor {
        name: "w",
        shape: vec![2, cols],
        kind,
        place: 0..file.len(),
        file: &file,
    };
    let source = StoredMatrix::new(tensor, RowOrder::AsStored).source(request);
    let mut largest = 0.0f32;
    let RowSource::Blocks(write) = &source.rows else {
        panic!("floats are wanted as blocks");
    };
    for (row, numbers) in numbers.chunks_exact(cols).enumerate() {
        let mut blocks = vec![Block::ZERO; cols / BLOCK];
        write(row, &mut blocks).unwrap();
        for (block, numbers) in blocks.iter().zip(numbers.as_chunks::<BLOCK>().0) {
            let restored = block.dequantize();
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
        let Some(stored) = stored_format(kind) else {
            let coarse = matches!(kind, TensorType::Q2_K | TensorType::Q3_K);
            assert!(coarse || kind.is_float(), "{kind:?}");
            continue;
        };
        // What floats would be rounded to does not matter.
        for other in [int4("g64"), RoundingTarget::Q8] {
            let (format, error) = error(kind, &bytes, WeightRequest::Stored(other));
            assert_eq!((format, error), (stored, 0.0), "{kind:?}");
        }
    }
}

#[test]
fn every_type_can_be_rounded_to_every_format() {
    for (kind, bytes) in golden_blocks() {
        if kind.is_float() {
            continue;
        }
        for (target, bound) in [
            (RoundingTarget::Q8, 0.51 / 127.0),
            // A scale may cut off the largest numbers.
            (int4("g32-min"), 0.2),
            (int4("channel"), 0.3),
            (int4("channel-min"), 0.3),
        ] {
            let (format, error) = error(kind, &bytes, WeightRequest::Rounded(target));
            let stored = stored_format(kind).filter(|stored| target.keeps(*stored));
            assert_eq!(format, stored.unwrap_or(target.format()));
            assert!(error <= bound, "{kind:?} as {target:?}: {error}");
        }
    }
}
