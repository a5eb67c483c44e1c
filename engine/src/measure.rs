//! Measuring: speed, and what rounding costs.

pub mod bench;
pub mod comparison;
pub mod perplexity;
