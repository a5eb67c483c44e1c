//! One file for each page.

mod conversation;
mod home;
mod not_found;

pub(crate) use conversation::ConversationPage;
pub(crate) use home::Home;
pub(crate) use not_found::NotFound;
