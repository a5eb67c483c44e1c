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
mod chat_view;
mod composer;
mod figures;
mod live;
mod pages;
mod routes;
mod shell;
mod sidebar;

pub mod chat;
pub mod complaint;
pub mod markdown;
pub mod settings;

pub use actions::{RefusedMessage, Reply, ResetChat, SendMessage, StopAnswer};
pub use answer::answer_html;
pub use live::LiveText;
pub use routes::App;
pub use shell::Assets;
