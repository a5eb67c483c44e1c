//! Options that several commands have, checked at the edge so that nothing behind them sees a bad value.

mod access;
mod address;
mod answer;
mod database;
mod model;
mod password;
mod prefixes;
mod rounding;
mod values;

pub(crate) use self::access::AccessArgs;
pub(crate) use self::address::AddrArgs;
pub(crate) use self::answer::{AnswerArgs, PriceArgs};
pub(crate) use self::database::DatabaseArgs;
pub(crate) use self::model::{
    CalibrationArgs, ComputeArgs, FileArgs, LoadArgs, ModelArgs, ModelsArgs, PackedArgs,
};
pub(crate) use self::password::PasswordArgs;
pub(crate) use self::prefixes::PrefixArgs;
pub(crate) use self::rounding::{KvArgs, RoundingArgs, VocabularyArgs, choice};
pub(crate) use self::values::{count, seconds};
