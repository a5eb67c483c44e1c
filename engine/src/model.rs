//! The model: its weights and the forward pass.

pub(crate) mod calibration;
pub(crate) mod capacity;
pub(crate) mod decode_threads;
pub(crate) mod forward;
pub(crate) mod packed;
pub(crate) mod rope;
pub(crate) mod source;
pub(crate) mod weights;
pub(crate) mod work;
