use leptos::prelude::*;

use crate::chat::{Loaded, SignInRefused};
use crate::shell::Aside;
use crate::visitor::language;

/// `/sign-in`: asks for the password, where the server has one.
#[component]
pub(crate) fn SignIn() -> impl IntoView {
    let t = language();
    let refused = use_context::<SignInRefused>();
    let loaded = use_context::<Loaded>().unwrap_or_default();
    let next = refused
        .as_ref()
        .map_or(loaded.next, |refused| refused.next.clone());
    let wrong = refused.map(|refused| refused.reason.sentence(t));
    let (invalid, role) = match wrong {
        Some(_) => (Some("true"), Some("alert")),
        None => (None, None),
    };
    view! {
        <Aside title=t.sign_in()>
            <h1>{t.sign_in()}</h1>
            <p>{t.sign_in_why()}</p>
            <form method="post" action="/sign-in" class="sign-in">
                // For what keeps passwords by the name of who has them.
                <input type="text" name="username" value="nibble" autocomplete="username" hidden/>
                <label for="password">{t.password()}</label>
                <input
                    type="password"
                    id="password"
                    name="password"
                    autocomplete="current-password"
                    required
                    autofocus
                    aria-invalid=invalid
                    aria-describedby="wrong-password"
                />
                <input type="hidden" name="next" value=next/>
                <p class="wrong" id="wrong-password" role=role>{wrong}</p>
                <button type="submit">{t.sign_in()}</button>
            </form>
        </Aside>
    }
}
