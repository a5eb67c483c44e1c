//! Nibble's pages and server functions: Leptos views, rendered on the server only.
//!
//! The pages know a [`chat::Chat`], plain data and nothing of engines or routes. A server provides one in the
//! Leptos context, together with the [`Assets`] addresses, and renders [`App`] as an in-order stream of HTML.

#![forbid(unsafe_code)]
#![allow(
    unreachable_pub,
    reason = "the macros of components and server functions write `pub` whatever the item says"
)]

mod actions;
mod answer;
mod blamed;
mod button;
mod chart;
mod chat_acts;
mod chat_header;
mod chat_list;
mod chat_view;
mod choice;
mod composer;
mod day;
mod figures;
mod language_switch;
mod live;
mod memory;
mod pages;
mod paths;
mod presets_view;
mod price;
mod roofline;
mod routes;
mod sampling_view;
mod search;
mod settings_view;
mod shell;
mod sidebar;
mod speed;
mod starters;
mod texts;
mod transfer;
mod wide_table;
mod wrapped;

pub mod chat;
pub mod compare;
pub mod complaint;
pub mod doctor;
pub mod domain;
pub mod export;
pub mod language;
pub mod markdown;
pub mod presets;
pub mod settings;
pub mod visitor;

pub use actions::{
    AnswerAgain, Attached, BranchOff, CheckMessage, Checked, ContinueAnswer, DeleteAllChats,
    DeleteChat, DeletePreset, EditQuestion, HideQuestion, PinChat, RenameChat, Reply, ResetChat,
    RestoreAllChats, RestoreChat, SavePreset, SendMessage, ShareChat, ShowBranch, StopAnswer,
    UnhideQuestion, Unsent, UsePreset,
};
pub use answer::{answer_html, figures_so_far};
pub use chat_list::{ListedChat, list_html};
pub use language_switch::LANGUAGE;
pub use live::LiveText;
pub use pages::{COMPARED_FOR_MINUTES, COMPARISON_WAITS_MINUTES, MEASURE, fetching_html, load};
pub use paths::{
    ABOUT, CANCEL_FETCH, COMPARE, DELETE_COMPARISON, DISCARD_MODEL, FETCH_EVENTS, FETCH_MODEL,
    MODELS, REMOVE_MODEL, REPLAY, RESTORE_MODEL, ROOFLINE, SPEED_FILE, STOP_COMPARISON,
};
pub use routes::App;
pub use shell::Assets;
pub use speed::csv::csv;
