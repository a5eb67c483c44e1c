//! The header of a GGUF file, turned into ranges of the file that are known to lie inside it.
//!
//! Every count and length is compared with the bytes that are left before it is used, so neither time nor memory
//! can exceed what the file's own size pays for; and a header is in memory, so its length has a limit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use super::reader::{Reader, Unread};
use super::value::Value;
use crate::Error;
use crate::files::checkpoint::{ModelFile, TensorType};

const DEFAULT_ALIGNMENT: u64 = 32;
/// A page. No writer uses more, and the sum of an offset and this cannot overflow.
const MAX_ALIGNMENT: u64 = 4096;
const MAX_DIMENSIONS: u32 = 4;

/// Where a tensor lies in the file.
#[derive(Debug)]
pub(super) struct TensorEntry {
    pub(super) name: String,
    /// Outermost first.
    pub(super) shape: Vec<usize>,
    pub(super) kind: TensorType,
    pub(super) bytes: Range<usize>,
}

/// Everything that a GGUF file says about itself.
#[derive(Debug)]
pub(super) struct Header {
    /// As far as it goes; texts and arrays of the metadata are places in it.
    pub(super) bytes: Vec<u8>,
    pub(super) metadata: HashMap<String, Value>,
    pub(super) tensors: Vec<TensorEntry>,
}

impl Header {
    /// Reads and checks the header of a whole file.
    pub(super) fn read(file: &ModelFile) -> Result<Self, Error> {
        let mut reader = Reader::new(file);
        Self::parse(&mut reader, file.len()).map_err(|why| match why {
            Unread::File(error) => error,
            Unread::Broken(reason) => file.error(reason),
        })
    }

    fn parse(reader: &mut Reader<'_>, file_len: usize) -> Result<Self, Unread> {
        reader.signature()?;
        let tensor_count = reader.u64("tensor count")?;
        let metadata_count = reader.u64("metadata count")?;
        let metadata = reader.metadata(metadata_count)?;
        let alignment = alignment(&metadata)?;
        let mut tensors = reader.tensors(tensor_count)?;

        let data_start = (reader.position() as u64).next_multiple_of(alignment);
        // Before what goes beyond the file is refused, as the last tensor does whose blocks are smaller than its type's.
        let data_len = (file_len as u64).saturating_sub(data_start);
        refuse_other_blocks(&tensors, alignment, data_len)?;
        for tensor in &mut tensors {
            place(tensor, data_start, alignment, file_len)?;
        }
        refuse_overlaps(&tensors)?;
        Ok(Self {
            bytes: reader.read_so_far(),
            metadata,
            tensors,
        })
    }
}

fn alignment(metadata: &HashMap<String, Value>) -> Result<u64, String> {
    match metadata.get("general.alignment") {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(&Value::Unsigned(n)) if n.is_power_of_two() && n <= MAX_ALIGNMENT => Ok(n),
        Some(other) => Err(format!(
            "`general.alignment` must be a power of two of at most {MAX_ALIGNMENT}, found {other}"
        )),
    }
}

/// Turns the offsets relative to the data, as the reader left them, into offsets in the file.
fn place(
    tensor: &mut TensorEntry,
    data_start: u64,
    alignment: u64,
    file_len: usize,
) -> Result<(), String> {
    let (name, offset) = (&tensor.name, tensor.bytes.start as u64);
    if !offset.is_multiple_of(alignment) {
        return Err(format!(
            "the offset of `{name}` must be a multiple of {alignment}, found {offset}"
        ));
    }
    let length = tensor.bytes.len() as u64;
    let start = data_start.checked_add(offset);
    let end = start.and_then(|start| start.checked_add(length));
    match (start, end) {
        (Some(start), Some(end)) if end <= file_len as u64 => {
            // Both are at most the file's length, which is a usize.
            tensor.bytes = start as usize..end as usize;
            Ok(())
        }
        _ => Err(format!(
            "`{name}` takes {length} bytes at offset {offset} of the data, but the file ends at byte {file_len} \
             and its data starts at {data_start}"
        )),
    }
}

/// Some makers of files use the numbers of [`TensorType::Q1_0`] and [`TensorType::Q2_0`] for blocks of another size, which
/// nothing tells but where the next tensor begins, or the data ends. Offsets are still relative to the data.
fn refuse_other_blocks(
    tensors: &[TensorEntry],
    alignment: u64,
    data_len: u64,
) -> Result<(), String> {
    let start_of = |tensor: &TensorEntry| tensor.bytes.start as u64;
    let mut starts: Vec<_> = tensors.iter().map(start_of).collect();
    starts.sort_unstable();
    let few_bits = |kind| matches!(kind, TensorType::Q1_0 | TensorType::Q2_0);
    for tensor in tensors.iter().filter(|tensor| few_bits(tensor.kind)) {
        let TensorEntry {
            name, kind, bytes, ..
        } = tensor;
        let behind = starts.partition_point(|start| *start <= start_of(tensor));
        let next = starts.get(behind).copied();
        let room = next.unwrap_or(data_len).saturating_sub(start_of(tensor));
        let length = bytes.len() as u64;
        let whole = length.checked_next_multiple_of(alignment).unwrap_or(length);
        let (fits, why) = match next {
            Some(_) => (room == whole, ""),
            // One that begins behind the end is cut off, whatever its blocks are.
            None if room == 0 => (true, ""),
            None if room < length => (false, ", or the file is cut off"),
            None => (room <= whole, ""),
        };
        if !fits {
            return Err(format!(
                "`{name}` takes {length} bytes as {kind:?}, blocks of {} numbers in {} bytes, but the file has {room} \
                 for it: its blocks are of another size{why}",
                kind.block_len(),
                kind.block_bytes()
            ));
        }
    }
    Ok(())
}

/// Shared bytes would let a small file demand any amount of packed weights.
fn refuse_overlaps(tensors: &[TensorEntry]) -> Result<(), String> {
    let mut by_start: Vec<_> = tensors.iter().collect();
    by_start.sort_by_key(|tensor| tensor.bytes.start);
    match by_start
        .windows(2)
        .find(|pair| pair[0].bytes.end > pair[1].bytes.start)
    {
        None => Ok(()),
        Some(pair) => Err(format!(
            "`{}` and `{}` share bytes",
            pair[0].name, pair[1].name
        )),
    }
}

impl Reader<'_> {
    fn signature(&mut self) -> Result<(), Unread> {
        let magic = self.take(4, "magic number")?;
        if magic != b"GGUF" {
            let found = magic.escape_ascii();
            let reason = format!("a GGUF file starts with `GGUF`, this one with `{found}`");
            return Err(Unread::Broken(reason));
        }
        match self.u32("version")? {
            2 | 3 => Ok(()),
            version if matches!(version.swap_bytes(), 1..=3) => {
                let reason = "the file is big-endian; only little-endian GGUF is read";
                Err(Unread::Broken(reason.into()))
            }
            version => {
                let reason = format!("`version` must be 2 or 3, found {version}");
                Err(Unread::Broken(reason))
            }
        }
    }

    fn metadata(&mut self, count: u64) -> Result<HashMap<String, Value>, Unread> {
        let mut metadata = HashMap::new();
        for index in 0..count {
            let key = self.text(&format!("key {index} of {count}"))?;
            let value = self.value(&key)?;
            match metadata.entry(key) {
                Entry::Occupied(known) => {
                    let reason = format!("the key `{}` appears twice", known.key());
                    return Err(Unread::Broken(reason));
                }
                Entry::Vacant(vacant) => vacant.insert(value),
            };
        }
        Ok(metadata)
    }

    fn tensors(&mut self, count: u64) -> Result<Vec<TensorEntry>, Unread> {
        let mut tensors = Vec::new();
        for index in 0..count {
            let name = self.text(&format!("name of tensor {index} of {count}"))?;
            tensors.push(self.tensor(name)?);
        }
        Ok(tensors)
    }

    /// A tensor whose range is still relative to the data.
    fn tensor(&mut self, name: String) -> Result<TensorEntry, Unread> {
        let dimensions = self.u32(&name)?;
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return Err(Unread::Broken(format!(
                "`{name}` must have 1 to {MAX_DIMENSIONS} dimensions, found {dimensions}"
            )));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let length = self.u64(&name)?;
            match usize::try_from(length) {
                Ok(length) if length > 0 => shape.push(length),
                _ => {
                    let reason = format!("`{name}` has a dimension of {length}");
                    return Err(Unread::Broken(reason));
                }
            }
        }
        // The file names the innermost dimension first.
        shape.reverse();
        let kind = tensor_type(self.u32(&name)?).map_err(|found| {
            let known = TensorType::NUMBERS.map(|(_, kind)| format!("{kind:?}"));
            format!(
                "`{name}` must be one of {}, found {found}",
                known.join(", ")
            )
        })?;
        let offset = self.u64(&name)?;
        let length = byte_length(&shape, kind).map_err(|why| format!("`{name}` {why}"))?;
        let range = usize::try_from(offset)
            .ok()
            .and_then(|start| Some(start..start.checked_add(length)?));
        let bytes = range.ok_or_else(|| format!("`{name}` has the offset {offset}"))?;
        Ok(TensorEntry {
            name,
            shape,
            kind,
            bytes,
        })
    }
}

/// A type by GGML's number, or the name of one that is not read here.
fn tensor_type(number: u32) -> Result<TensorType, String> {
    let known = TensorType::NUMBERS.iter().find(|(of, _)| *of == number);
    known.map(|(_, kind)| *kind).ok_or_else(|| {
        let other = OTHER_TYPES.iter().find(|(of, _)| *of == number);
        other.map_or_else(
            || format!("type number {number}"),
            |(_, name)| (*name).to_owned(),
        )
    })
}

/// GGML's types that are not read, those included that it has given up.
const OTHER_TYPES: [(u32, &str); 25] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (36, "IQ4_NL_4_4"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
    (39, "MXFP4"),
    (40, "NVFP4"),
];

/// Bytes of a tensor with at least one dimension, or what is wrong with its shape.
fn byte_length(shape: &[usize], kind: TensorType) -> Result<usize, String> {
    let cols = shape[shape.len() - 1];
    if !cols.is_multiple_of(kind.block_len()) {
        return Err(format!(
            "has rows of {cols} numbers, but {kind:?} holds multiples of {}",
            kind.block_len()
        ));
    }
    let rows = &shape[..shape.len() - 1];
    rows.iter()
        .try_fold(cols / kind.block_len(), |n, &length| n.checked_mul(length))
        .and_then(|blocks| blocks.checked_mul(kind.block_bytes()))
        .ok_or_else(|| format!("has the shape {shape:?}, whose bytes cannot be counted"))
}
