//! Folders whose projections are quantised, each with a twin that holds the same weights as floats.

use std::fs;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::SINGLE;
use super::{bytes, tensors, weights};

/// A way to store quantised matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Gptq,
    GptqV2,
    Awq,
    /// compressed-tensors.
    Packed,
    /// compressed-tensors with zero points in bytes.
    PackedBytes,
}

/// How the projections of a folder are quantised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantized {
    pub(crate) method: Method,
    /// Columns that share a scale; none where a row does.
    pub(crate) group: Option<usize>,
    pub(crate) symmetric: bool,
    /// Whether the columns of a group do not lie side by side.
    pub(crate) act_order: bool,
}

/// A tensor: name, type, shape and bytes.
pub(crate) type Written = (String, Dtype, Vec<usize>, Vec<u8>);

impl Quantized {
    /// `quantization_config`.
    pub(crate) fn config(self) -> Value {
        let group = self.group.map_or(-1, |group| group as i64);
        match self.method {
            Method::Gptq => {
                json!({ "quant_method": "gptq", "bits": 4, "group_size": group, "sym": self.symmetric, "desc_act": self.act_order })
            }
            Method::GptqV2 => {
                json!({ "quant_method": "gptq", "bits": 4, "group_size": group, "checkpoint_format": "gptq_v2", "desc_act": self.act_order })
            }
            Method::Awq => {
                json!({ "quant_method": "awq", "bits": 4, "group_size": group, "version": "gemm", "zero_point": true })
            }
            Method::Packed | Method::PackedBytes => {
                let strategy = self.group.map_or("channel", |_| "group");
                let order = self.act_order.then_some("group");
                json!({ "quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": { "group_0": {
                    "targets": ["Linear"], "weights": {
                        "num_bits": 4, "type": "int", "strategy": strategy, "group_size": self.group,
                        "symmetric": self.symmetric, "actorder": order,
                    },
                } } })
            }
        }
    }
}

/// The integers of a matrix: what is stored, zero points and scales.
struct Integers {
    rows: usize,
    cols: usize,
    groups: usize,
    /// The group of each column.
    order: Vec<usize>,
    quants: Vec<u32>,
    zeros: Vec<u32>,
    scales: Vec<f32>,
}

impl Integers {
    /// Every zero point comes up where they are not all 8; scales have few enough digits for BF16.
    fn of(name: &str, rows: usize, cols: usize, how: Quantized) -> Self {
        let groups = cols / how.group.unwrap_or(cols);
        let order = (0..cols).map(|col| match how.act_order {
            // Of all matrices with so many columns the same; 37 and the columns have no divisor in common.
            true => (col * 37 + 5) % cols / (cols / groups),
            false => col / (cols / groups),
        });
        let random = |what: &str, len: usize| {
            let numbers = weights(
                &format!("{name}.{what}"),
                &[1, len.next_multiple_of(32) + 32],
            );
            let numbers = numbers.into_iter().enumerate();
            let numbers = numbers.filter(|(place, _)| place % 32 > 1);
            let mut numbers = numbers.map(|(_, w)| (w * 32.0 + 8.0) as u32).cycle();
            (0..len)
                .map(|_| numbers.next().unwrap())
                .collect::<Vec<_>>()
        };
        let zeros = match how.symmetric {
            true => vec![8; rows * groups],
            false => random("zeros", rows * groups),
        };
        let scales = random("scales", rows * groups).into_iter();
        Self {
            rows,
            cols,
            groups,
            order: order.collect(),
            quants: random("quants", rows * cols),
            zeros,
            scales: scales.map(|s| (17 + s) as f32 / 1024.0).collect(),
        }
    }

    fn quant(&self, row: usize, col: usize) -> u32 {
        self.quants[row * self.cols + col]
    }

    fn zero(&self, row: usize, group: usize) -> u32 {
        self.zeros[row * self.groups + group]
    }

    fn floats(&self) -> Vec<f32> {
        let places = (0..self.rows).flat_map(|row| (0..self.cols).map(move |col| (row, col)));
        let weight = |(row, col)| {
            let group = self.order[col];
            let steps = self.quant(row, col) as f32 - self.zero(row, group) as f32;
            steps * self.scales[row * self.groups + group]
        };
        places.map(weight).collect()
    }

    fn gptq(&self, less: u32) -> Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)> {
        let (rows, cols, groups) = (self.rows, self.cols, self.groups);
        let weights = words(cols / 8, rows, |i, row, k| self.quant(row, 8 * i + k));
        let zeros = words(groups, rows / 8, |group, j, k| self.zero(8 * j + k, group));
        let zeros = zeros.as_chunks().0.iter().flat_map(|word| {
            let word = u32::from_le_bytes(*word);
            word.wrapping_sub(less * 0x1111_1111).to_le_bytes()
        });
        let zeros = zeros.collect();
        vec![
            ("qweight", Dtype::I32, vec![cols / 8, rows], weights),
            ("qzeros", Dtype::I32, vec![groups, rows / 8], zeros),
            (
                "scales",
                Dtype::F16,
                vec![groups, rows],
                self.scales_by_group(),
            ),
            ("g_idx", Dtype::I32, vec![cols], self.group_of_columns()),
        ]
    }

    fn awq(&self) -> Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)> {
        const ORDER: [usize; 8] = [0, 2, 4, 6, 1, 3, 5, 7];
        let (rows, cols, groups) = (self.rows, self.cols, self.groups);
        let weights = words(cols, rows / 8, |col, j, k| {
            self.quant(8 * j + ORDER[k], col)
        });
        let zeros = words(groups, rows / 8, |group, j, k| {
            self.zero(8 * j + ORDER[k], group)
        });
        vec![
            ("qweight", Dtype::I32, vec![cols, rows / 8], weights),
            ("qzeros", Dtype::I32, vec![groups, rows / 8], zeros),
            (
                "scales",
                Dtype::F16,
                vec![groups, rows],
                self.scales_by_group(),
            ),
        ]
    }

    fn packed(&self, how: Quantized) -> Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)> {
        let (rows, cols, groups) = (self.rows, self.cols, self.groups);
        let weights = words(rows, cols / 8, |row, j, k| self.quant(row, 8 * j + k));
        let scales = self.scales.iter();
        let scales = scales.flat_map(|s| bf16::from_f32(*s).to_le_bytes());
        let shape = [rows, cols].map(|size| (size as i64).to_le_bytes());
        let mut parts = vec![
            ("weight_packed", Dtype::I32, vec![rows, cols / 8], weights),
            (
                "weight_scale",
                Dtype::BF16,
                vec![rows, groups],
                scales.collect(),
            ),
            ("weight_shape", Dtype::I64, vec![2], shape.concat()),
        ];
        if how.act_order {
            let order = self.group_of_columns();
            parts.push(("weight_g_idx", Dtype::I32, vec![cols], order));
        }
        let zeros = match how.method {
            _ if how.symmetric => return parts,
            Method::PackedBytes => {
                let zeros = self.zeros.iter().map(|zero| (*zero as u8).wrapping_sub(8));
                (Dtype::I8, vec![rows, groups], zeros.collect())
            }
            _ => {
                let zeros = words(rows / 8, groups, |i, group, k| self.zero(8 * i + k, group));
                (Dtype::I32, vec![rows / 8, groups], zeros)
            }
        };
        parts.push(("weight_zero_point", zeros.0, zeros.1, zeros.2));
        parts
    }

    fn group_of_columns(&self) -> Vec<u8> {
        let order = self.order.iter();
        order
            .flat_map(|group| (*group as i32).to_le_bytes())
            .collect()
    }

    fn scales_by_group(&self) -> Vec<u8> {
        let places = (0..self.groups).flat_map(|group| (0..self.rows).map(move |row| (row, group)));
        let scale = |(row, group)| f16::from_f32(self.scales[row * self.groups + group]);
        places
            .flat_map(|place| scale(place).to_le_bytes())
            .collect()
    }
}

/// Words `[rows, cols]` whose nibble `k`, from the lowest, is what the row, the column and `k` give.
fn words(rows: usize, cols: usize, nibble: impl Fn(usize, usize, usize) -> u32) -> Vec<u8> {
    let word = |row, col| {
        let nibbles = (0..8).map(|k| nibble(row, col, k) << (4 * k));
        nibbles.fold(0, |word, nibble| word | nibble)
    };
    let places = (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col)));
    places
        .flat_map(|(row, col)| word(row, col).to_le_bytes())
        .collect()
}

/// The tensors of a model with quantised projections, and of its twin.
pub(crate) fn pair(config: &Value, how: Quantized) -> [Vec<Written>; 2] {
    let (mut quantized, mut floats) = (Vec::new(), Vec::new());
    for (name, shape) in tensors(config) {
        let matrix = name
            .strip_suffix(".weight")
            .filter(|name| name.ends_with("_proj"));
        let Some(matrix) = matrix else {
            let bytes = bytes(&weights(&name, &shape), Dtype::F32);
            let tensor = (name, Dtype::F32, shape, bytes);
            quantized.push(tensor.clone());
            floats.push(tensor);
            continue;
        };
        let integers = Integers::of(matrix, shape[0], shape[1], how);
        let parts = match how.method {
            Method::Gptq => integers.gptq(1),
            Method::GptqV2 => integers.gptq(0),
            Method::Awq => integers.awq(),
            Method::Packed | Method::PackedBytes => integers.packed(how),
        };
        let parts = parts.into_iter();
        quantized.extend(
            parts.map(|(part, dtype, shape, bytes)| {
                (format!("{matrix}.{part}"), dtype, shape, bytes)
            }),
        );
        floats.push((
            name,
            Dtype::F32,
            shape,
            bytes(&integers.floats(), Dtype::F32),
        ));
    }
    [quantized, floats]
}

/// A folder of these tensors.
pub(crate) fn write(config: &Value, tensors: &[Written]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (
            name.clone(),
            TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
        )
    });
    safetensors::serialize_to_file(views, None, &folder.path().join(SINGLE)).unwrap();
    folder
}
