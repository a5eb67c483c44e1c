//! Metadata values: what their types are and how they are read.

use std::fmt;
use std::ops::Range;

use super::reader::{Reader, Unread};

/// Arrays of arrays are in the format but in no model; this deep they are read, deeper they are refused.
const MAX_ARRAY_DEPTH: usize = 4;
/// A text's length takes eight bytes; an inner array's type and count take twelve.
const MIN_VARIABLE_BYTES: usize = 8;

/// A metadata value. Texts and arrays stay in the header, as byte ranges.
#[derive(Debug)]
pub(super) enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Flag(bool),
    Text(Range<usize>),
    Array {
        kind: ValueType,
        count: usize,
        bytes: Range<usize>,
    },
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(number) => write!(f, "{number}"),
            Self::Signed(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "the floating-point number {number}"),
            Self::Flag(flag) => write!(f, "the flag {flag}"),
            Self::Text(range) => write!(f, "a text of {} bytes", range.len()),
            Self::Array { kind, count, .. } => write!(f, "an array of {count} {kind:?}"),
        }
    }
}

/// The format's value types, in the order of their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

impl ValueType {
    fn from_number(number: u32) -> Option<Self> {
        use ValueType::*;
        let types = [
            U8, I8, U16, I16, U32, I32, F32, Bool, Text, Array, U64, I64, F64,
        ];
        types.get(usize::try_from(number).ok()?).copied()
    }

    /// Bytes of one value, unless they vary.
    pub(super) const fn bytes(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Text | Self::Array => None,
        }
    }
}

impl Reader<'_> {
    pub(super) fn value(&mut self, key: &str) -> Result<Value, Unread> {
        Ok(match self.value_type(key)? {
            ValueType::Text => Value::Text(self.text_range(key)?),
            ValueType::Array => self.array(key, 1)?,
            kind => scalar(kind, self.take(kind.bytes().unwrap_or(0), key)?)
                .ok_or_else(|| format!("the flag `{key}` must be 0 or 1"))?,
        })
    }

    fn array(&mut self, key: &str, depth: usize) -> Result<Value, Unread> {
        if depth > MAX_ARRAY_DEPTH {
            let reason = format!("`{key}` nests arrays deeper than {MAX_ARRAY_DEPTH}");
            return Err(Unread::Broken(reason));
        }
        let kind = self.value_type(key)?;
        let count = self.length(kind.bytes().unwrap_or(MIN_VARIABLE_BYTES), key)?;
        let start = self.position();
        match kind {
            ValueType::Text => (0..count).try_for_each(|_| self.text_range(key).map(drop))?,
            ValueType::Array => {
                (0..count).try_for_each(|_| self.array(key, depth + 1).map(drop))?;
            }
            fixed => {
                // `length` has compared this product with the bytes that are left.
                self.take(count * fixed.bytes().unwrap_or(0), key)?;
            }
        }
        Ok(Value::Array {
            kind,
            count,
            bytes: start..self.position(),
        })
    }

    pub(super) fn value_type(&mut self, key: &str) -> Result<ValueType, Unread> {
        let number = self.u32(key)?;
        let kind = ValueType::from_number(number);
        Ok(kind
            .ok_or_else(|| format!("the type of `{key}` must be from 0 to 12, found {number}"))?)
    }
}

/// A number or flag of a fixed size; nothing when a flag is neither 0 nor 1. `bytes` has the size of `kind`.
pub(super) fn scalar(kind: ValueType, bytes: &[u8]) -> Option<Value> {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let unsigned = u64::from_le_bytes(wide);
    let unused_bits = 64 - 8 * bytes.len() as u32;
    Some(match kind {
        ValueType::U8 | ValueType::U16 | ValueType::U32 | ValueType::U64 => {
            Value::Unsigned(unsigned)
        }
        ValueType::I8 | ValueType::I16 | ValueType::I32 | ValueType::I64 => {
            Value::Signed((unsigned << unused_bits).cast_signed() >> unused_bits)
        }
        ValueType::F32 => Value::Float(f64::from(f32::from_bits(unsigned as u32))),
        ValueType::F64 => Value::Float(f64::from_bits(unsigned)),
        ValueType::Bool if unsigned <= 1 => Value::Flag(unsigned == 1),
        ValueType::Bool | ValueType::Text | ValueType::Array => return None,
    })
}
