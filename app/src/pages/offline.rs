use leptos::prelude::*;

use crate::shell::Aside;
use crate::visitor::language;

/// `/offline`: what an installed page shows when its server cannot be reached, at whatever address was asked for.
#[component]
pub(crate) fn Offline() -> impl IntoView {
    let t = language();
    view! {
        <Aside title=t.no_connection() offline=true>
            <h1>{t.cannot_be_reached()}</h1>
            <p>{t.cannot_be_reached_why()}</p>
            <p>
                <a class="button" href="">{t.try_again()}</a>
            </p>
        </Aside>
    }
}
