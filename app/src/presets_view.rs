//! Settings under names: a list to choose from, and a way to save what the fields above show. Buttons of the composer's form,
//! whose fields the settings are.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::actions::{DeletePreset, SavePreset, UsePreset};
use crate::blamed::Blamed;
use crate::chat::Loaded;
use crate::presets::{PRESET_NAME_CHARACTERS, Preset};
use crate::settings::MessageForm;
use crate::visitor::language;

/// The presets of the [`Loaded`] in the context; a script fills the fields in with what an option says.
pub(crate) fn presets_fields(blamed: &Blamed) -> impl IntoView + use<> {
    let t = language();
    let presets = use_context::<Loaded>().unwrap_or_default().presets;
    let has_own = presets.iter().any(|preset| !preset.is_built_in);
    let options = presets.into_iter().map(option).collect_view();
    let is_open = blamed.of("preset_name").is_some();
    view! {
        <div class="presets">
            <label for="preset">{t.preset()}</label>
            <div class="row">
                <select id="preset" name="preset" form="composer" autocomplete="off" aria-describedby="wrong-preset">
                    {options}
                </select>
                {button(UsePreset::PATH, "use-preset", t.use_preset())}
                {has_own.then(|| button(DeletePreset::PATH, "delete-preset", t.delete()))}
            </div>
            {blamed.reason("preset")}
            <details open=is_open>
                <summary>{t.save_as_preset()}</summary>
                <label for="preset_name" class="unseen">{t.name_of_preset()}</label>
                <div class="row">
                    <input
                        type="text"
                        id="preset_name"
                        name="preset_name"
                        form="composer"
                        dir="auto"
                        autocomplete="off"
                        maxlength=PRESET_NAME_CHARACTERS.to_string()
                        placeholder=t.name_it()
                        aria-invalid=blamed.is("preset_name")
                        aria-describedby="wrong-preset_name"
                    />
                    {button(SavePreset::PATH, "save-preset", t.save())}
                </div>
                {blamed.reason("preset_name")}
            </details>
        </div>
    }
    .into_any()
}

fn option(preset: Preset) -> impl IntoView {
    let fields = MessageForm::blank("", &preset.settings);
    let mut fields = serde_json::to_value(fields).unwrap_or_default();
    if let Some(fields) = fields.as_object_mut() {
        // The price is the machine's, whatever is asked, and a preset chooses no model.
        let others = [
            "conversation",
            "message",
            "model",
            "usd_per_hour",
            "when_full",
        ];
        fields.retain(|name, _| !others.contains(&name.as_str()));
    }
    let value = preset.name.clone();
    let built_in = preset.is_built_in.then_some("");
    view! { <option value=value data-fields=fields.to_string() data-built-in=built_in>{preset.name}</option> }
}

fn button(path: &'static str, id: &'static str, words: &'static str) -> impl IntoView {
    view! {
        <button
            type="submit"
            id=id
            form="composer"
            formaction=path
            formenctype="application/x-www-form-urlencoded"
            formnovalidate
        >
            {words}
        </button>
    }
}
