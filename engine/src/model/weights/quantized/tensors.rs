//! The tensors that a quantised matrix consists of, and the places of its numbers in them.

use std::sync::{Arc, Mutex, PoisonError};

use safetensors::tensor::Dtype;

use crate::Error;
use crate::compute::column_order::ColumnOrder;
use crate::files::checkpoint::{HfFolder, Stored, Tensor};
use crate::files::config::quantization::PackingOrder;

/// Numbers of four bits in a word.
const IN_WORD: usize = 8;
/// What compressed-tensors writes for the group of a column, -1, where columns are in order.
const NOT_SET: u32 = u32::MAX;
/// Where in a word of AWQ each of eight numbers is.
const AWQ_PLACES: [usize; IN_WORD] = [0, 4, 1, 5, 2, 6, 3, 7];

/// Where the parts of one matrix are.
#[derive(Debug)]
pub(super) struct QuantizedTensors<'a> {
    packing: PackingOrder,
    weights: StoredWords<'a>,
    scales: Tensor<'a>,
    zeros: StoredZeros<'a>,
    /// That brings the columns of each group together, where they are not.
    pub(super) order: Option<Arc<ColumnOrder>>,
    /// The parts themselves, once a row was asked for.
    numbers: Mutex<Option<Arc<Numbers>>>,
}

#[derive(Debug)]
enum StoredZeros<'a> {
    Packed(StoredWords<'a>),
    /// Signed bytes as older versions of compressed-tensors write them, `[rows, groups]`.
    Bytes(Stored<'a>),
    /// All 8.
    Symmetric,
}

/// What all parts of a matrix are checked with.
struct Matrix<'a, 'n> {
    folder: &'a HfFolder,
    name: &'n str,
    rows: usize,
    cols: usize,
    /// Columns that share a scale.
    group: usize,
}

impl<'a> Matrix<'a, '_> {
    fn part(&self, part: &str) -> String {
        format!("{}.{part}", self.name)
    }

    fn words(&self, part: &str, shape: [usize; 2]) -> Result<StoredWords<'a>, Error> {
        let stored = self.folder.stored(&self.part(part), &shape)?;
        match stored.dtype {
            Dtype::I32 | Dtype::U32 => Ok(StoredWords {
                stored,
                cols: shape[1],
            }),
            _ => Err(stored.other_type("I32")),
        }
    }

    /// The order that brings the columns of each group together, where a part names groups that do not lie so.
    fn order(&self, packing: PackingOrder) -> Result<Option<Arc<ColumnOrder>>, Error> {
        let names = packing.groups().map(|part| self.part(part));
        let Some(name) = names.filter(|name| self.folder.has(name)) else {
            return Ok(None);
        };
        let stored = self.folder.stored(&name, &[self.cols])?;
        if stored.dtype != Dtype::I32 {
            return Err(stored.other_type("I32"));
        }
        let refuse = |must: String| Err(stored.file.error(format!("`{name}` must {must}")));
        let mut sizes = vec![0; self.cols.div_ceil(self.group)];
        let mut groups = Vec::with_capacity(self.cols);
        for (col, bytes) in stored.read()?.as_chunks().0.iter().enumerate() {
            // A negative number is beyond any group.
            let group = u32::from_le_bytes(*bytes);
            if group == NOT_SET && matches!(packing, PackingOrder::PackQuantized { .. }) {
                return Ok(None);
            }
            let Some(size) = sizes.get_mut(group as usize) else {
                let (last, found) = (sizes.len() - 1, group.cast_signed());
                return refuse(format!(
                    "have groups from 0 to {last}, found {found} for column {col}"
                ));
            };
            *size += 1;
            groups.push(group);
        }
        for (group, found) in sizes.into_iter().enumerate() {
            let expected = self.group.min(self.cols - group * self.group);
            if found != expected {
                return refuse(format!(
                    "have {expected} columns in group {group}, found {found}"
                ));
            }
        }
        Ok(ColumnOrder::by_group(&groups).map(Arc::new))
    }

    /// Checks the shape that is written down beside packed weights.
    fn check_shape(&self, part: &str) -> Result<(), Error> {
        let stored = self.folder.stored(&self.part(part), &[2])?;
        let bytes = stored.read()?;
        let numbers: Vec<i64> = match stored.dtype {
            Dtype::I64 => {
                let numbers = bytes.as_chunks().0.iter();
                numbers.map(|bytes| i64::from_le_bytes(*bytes)).collect()
            }
            Dtype::I32 => {
                let numbers = bytes.as_chunks().0.iter();
                let numbers = numbers.map(|bytes| i32::from_le_bytes(*bytes));
                numbers.map(i64::from).collect()
            }
            _ => return Err(stored.other_type("I64 or I32")),
        };
        let shape = [self.rows, self.cols];
        match numbers.iter().copied().eq(shape.map(|size| size as i64)) {
            true => Ok(()),
            false => Err(stored.file.error(format!(
                "`{}` must be {shape:?}, found {numbers:?}",
                stored.name
            ))),
        }
    }

    /// Rows whose numbers share words.
    fn check_rows(&self) -> Result<(), Error> {
        match self.rows.is_multiple_of(IN_WORD) {
            true => Ok(()),
            false => Err(Error::Model {
                path: self.folder.path().to_owned(),
                reason: format!(
                    "the rows of `{}` must be a multiple of {IN_WORD} to be packed, found {}",
                    self.name, self.rows
                ),
            }),
        }
    }
}

impl<'a> QuantizedTensors<'a> {
    /// Finds and checks all parts of the matrix `name`.
    pub(super) fn open(
        folder: &'a HfFolder,
        name: &str,
        [rows, cols]: [usize; 2],
        group: usize,
        packing: PackingOrder,
    ) -> Result<Self, Error> {
        let matrix = Matrix {
            folder,
            name,
            rows,
            cols,
            group,
        };
        let groups = cols.div_ceil(group);
        let (weights, zeros, scales) = match packing {
            PackingOrder::Gptq { .. } => {
                matrix.check_rows()?;
                (
                    matrix.words("qweight", [cols / IN_WORD, rows])?,
                    StoredZeros::Packed(matrix.words("qzeros", [groups, rows / IN_WORD])?),
                    folder.tensor(&matrix.part("scales"), &[groups, rows])?,
                )
            }
            PackingOrder::Awq => {
                matrix.check_rows()?;
                (
                    matrix.words("qweight", [cols, rows / IN_WORD])?,
                    StoredZeros::Packed(matrix.words("qzeros", [groups, rows / IN_WORD])?),
                    folder.tensor(&matrix.part("scales"), &[groups, rows])?,
                )
            }
            PackingOrder::PackQuantized { symmetric } => {
                matrix.check_shape("weight_shape")?;
                (
                    matrix.words("weight_packed", [rows, cols / IN_WORD])?,
                    StoredZeros::beside_packed(&matrix, groups, symmetric)?,
                    folder.tensor(&matrix.part("weight_scale"), &[rows, groups])?,
                )
            }
        };
        Ok(Self {
            packing,
            weights,
            scales,
            zeros,
            order: matrix.order(packing)?,
            numbers: Mutex::default(),
        })
    }

    /// All parts, which are read when they are first asked for and kept as long as this.
    pub(super) fn numbers(&self) -> Result<Arc<Numbers>, Error> {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &*numbers {
            return Ok(Arc::clone(read));
        }
        let weights = self.weights.read()?;
        let read = Numbers {
            weights,
            ..self.groups()?
        };
        Ok(Arc::clone(numbers.insert(Arc::new(read))))
    }

    /// What is known of groups: all parts but the weights.
    pub(super) fn groups(&self) -> Result<Numbers, Error> {
        let zeros = match &self.zeros {
            StoredZeros::Packed(words) => Zeros::Packed(words.read()?),
            StoredZeros::Bytes(stored) => Zeros::Bytes(stored.read()?),
            StoredZeros::Symmetric => Zeros::Symmetric,
        };
        Ok(Numbers {
            packing: self.packing,
            weights: Words::default(),
            scales: self.scales.to_f32()?,
            scale_cols: self.scales.shape[1],
            zeros,
        })
    }

    /// An error about a scale of this stored row.
    pub(super) fn refuse_scale(&self, row: usize, scale: f32) -> Error {
        let name = self.scales.name;
        self.scales.file.error(format!(
            "`{name}` has a scale beyond the range of f16 in row {row}: {scale}"
        ))
    }
}

/// The parts of one matrix in memory.
#[derive(Debug)]
pub(super) struct Numbers {
    packing: PackingOrder,
    weights: Words,
    scales: Vec<f32>,
    scale_cols: usize,
    zeros: Zeros,
}

#[derive(Debug)]
enum Zeros {
    Packed(Words),
    Bytes(Vec<u8>),
    Symmetric,
}

impl Numbers {
    /// What is stored of a weight, from 0 to 15.
    pub(super) fn quant(&self, row: usize, col: usize) -> u8 {
        let words = &self.weights;
        match self.packing {
            PackingOrder::Gptq { .. } => words.nibble(col / IN_WORD, row, col % IN_WORD),
            PackingOrder::Awq => words.nibble(col, row / IN_WORD, AWQ_PLACES[row % IN_WORD]),
            PackingOrder::PackQuantized { .. } => words.nibble(row, col / IN_WORD, col % IN_WORD),
        }
    }

    /// What a stored weight of zero is.
    pub(super) fn zero(&self, row: usize, group: usize) -> i16 {
        let (words, place) = match &self.zeros {
            Zeros::Symmetric => return super::MIDDLE,
            Zeros::Bytes(stored) => {
                let zero = stored[row * self.scale_cols + group].cast_signed();
                return super::MIDDLE + i16::from(zero);
            }
            Zeros::Packed(words) => (words, row % IN_WORD),
        };
        let word = row / IN_WORD;
        let zero = match self.packing {
            // One is taken off all at once, as of one number: a zero borrows from the next.
            PackingOrder::Gptq { zeros_less_one } => {
                let ones = u32::from(zeros_less_one) * 0x1111_1111;
                nibble(words.at(group, word).wrapping_add(ones), place)
            }
            PackingOrder::Awq => words.nibble(group, word, AWQ_PLACES[place]),
            PackingOrder::PackQuantized { .. } => words.nibble(word, group, place),
        };
        i16::from(zero)
    }

    pub(super) fn scale(&self, row: usize, group: usize) -> f32 {
        let cols = self.scale_cols;
        match self.packing {
            PackingOrder::Gptq { .. } | PackingOrder::Awq => self.scales[group * cols + row],
            PackingOrder::PackQuantized { .. } => self.scales[row * cols + group],
        }
    }
}

impl<'a> StoredZeros<'a> {
    fn beside_packed(matrix: &Matrix<'a, '_>, groups: usize, none: bool) -> Result<Self, Error> {
        const PART: &str = "weight_zero_point";
        let name = matrix.part(PART);
        if none && !matrix.folder.has(&name) {
            return Ok(Self::Symmetric);
        }
        let bytes = matrix.folder.stored(&name, &[matrix.rows, groups]);
        match bytes {
            Ok(stored) if stored.dtype == Dtype::I8 => Ok(Self::Bytes(stored)),
            Ok(stored) => Err(stored.other_type("I8, or I32 with eight numbers in each")),
            Err(_) => {
                let rows = matrix.rows.div_ceil(IN_WORD);
                matrix.words(PART, [rows, groups]).map(Self::Packed)
            }
        }
    }
}

/// A tensor of words of eight numbers.
#[derive(Debug)]
struct StoredWords<'a> {
    stored: Stored<'a>,
    cols: usize,
}

impl StoredWords<'_> {
    fn read(&self) -> Result<Words, Error> {
        Ok(Words {
            bytes: self.stored.read()?,
            cols: self.cols,
        })
    }
}

/// The same in memory.
#[derive(Debug, Default)]
struct Words {
    bytes: Vec<u8>,
    cols: usize,
}

impl Words {
    fn at(&self, row: usize, col: usize) -> u32 {
        let words = self.bytes.as_chunks().0;
        u32::from_le_bytes(words[row * self.cols + col])
    }

    fn nibble(&self, row: usize, col: usize, place: usize) -> u8 {
        nibble(self.at(row, col), place)
    }
}

/// The number at a place of a word.
fn nibble(word: u32, place: usize) -> u8 {
    (word >> (4 * place) & 15) as u8
}
