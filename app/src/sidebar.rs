//! Beside the conversation: the other ones, the settings of its next answer, and the ways to other pages.
//!
//! Its fields belong to the form of the composer, and so does New chat, which thus keeps what they show. On narrow
//! screens it is a popover, a drawer that opens and closes without JavaScript.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::actions::ResetChat;
use crate::chat::ModelCard;
use crate::chat_header::icon;
use crate::chat_list::{ChatList, ListedChat};
use crate::complaint::Complaint;
use crate::language_switch::LanguageButtons;
use crate::settings::MessageForm;
use crate::settings_view::SettingsView;
use crate::shell::{Brand, Pages};
use crate::transfer::SignOut;
use crate::visitor::language;

#[component]
pub(crate) fn Sidebar(
    model: ModelCard,
    chats: Vec<ListedChat>,
    form: MessageForm,
    complaint: Option<Complaint>,
) -> impl IntoView {
    let t = language();
    view! {
        <aside id="sidebar" popover="auto" aria-label=t.chats_and_settings()>
            <div class="top">
                <Brand/>
                <button
                    type="button"
                    class="icon"
                    popovertarget="sidebar"
                    popovertargetaction="hide"
                    aria-label=t.close()
                >
                    {icon("M3 3l10 10M13 3L3 13")}
                </button>
            </div>
            <button type="submit" form="composer" formaction=ResetChat::PATH formnovalidate class="new">
                {t.new_chat()}
            </button>
            <ChatList chats/>
            <SettingsView model form complaint/>
            <Foot/>
        </aside>
    }
    .into_any()
}

#[component]
fn Foot() -> impl IntoView {
    let t = language();
    view! {
        <div class="foot">
            <Pages/>
            <SignOut/>
            // Without scripts it is as the system has it.
            <p class="scripted theme">
                <label for="theme">{t.colours()}</label>
                <select id="theme" autocomplete="off">
                    <option value="light dark">{t.as_the_system()}</option>
                    <option value="light">{t.light()}</option>
                    <option value="dark">{t.dark()}</option>
                </select>
            </p>
            <LanguageButtons/>
        </div>
    }
    .into_any()
}
