//! Two drawings: the program with what passes between its parts, and a block of four-bit weights.

use leptos::prelude::*;

use crate::language::Language;

/// Parts of the program from top to bottom, with what goes down to the next one and what comes back.
pub(super) fn program(t: Language) -> AnyView {
    let parts = [
        t.part_browser(),
        t.part_server(),
        t.part_queue(),
        t.part_model(),
        t.part_kernels(),
    ];
    let between = [
        (t.goes_question(), t.comes_html()),
        (t.goes_tokens(), t.comes_text()),
        (t.goes_turn(), t.comes_tokens()),
        (t.goes_step(), t.comes_sums()),
    ];
    let boxes = (0..).zip(parts).map(|(place, part)| {
        let y = 4 + place * 70;
        view! {
            <rect class="box" x="60" y=y width="240" height="36" rx="6"/>
            <text x="180" y=y + 22 text-anchor="middle">{part}</text>
        }
    });
    let arrows = (0..).zip(between).map(|(place, (down, up))| {
        let y = 40 + place * 70;
        view! {
            <path class="arrow" d=format!("M150,{y}v30m-4,-6l4,6l4,-6")/>
            <path class="arrow" d=format!("M210,{}v-30m-4,6l4,-6l4,6", y + 32)/>
            <text x="142" y=y + 21 text-anchor="end">{down}</text>
            <text x="218" y=y + 21>{up}</text>
        }
    });
    view! {
        <figure class="chart drawing">
            <svg viewBox="0 0 360 326" role="img" aria-label=t.drawing_of_program()>
                {boxes.collect_view()}
                {arrows.collect_view()}
            </svg>
            <figcaption class="note">{t.program_in_words()}</figcaption>
        </figure>
    }
    .into_any()
}

/// 32 weights of four bits in 16 bytes, behind the scale that they share.
pub(super) fn block(t: Language) -> AnyView {
    let nibbles = (0..32).map(|weight| {
        let (x, y) = (64 + weight % 16 * 18, 6 + weight / 16 * 22);
        // Any values from 0 to 15.
        let value = (weight * 7 + 5) % 16;
        view! {
            <rect class="box" x=x y=y width="18" height="20"/>
            <text x=x + 9 y=y + 14 text-anchor="middle">{value}</text>
        }
    });
    view! {
        <figure class="chart drawing">
            <svg viewBox="0 0 360 54" role="img" aria-label=t.drawing_of_block()>
                <rect class="box" x="4" y="6" width="54" height="42"/>
                <text x="31" y="31" text-anchor="middle">{t.scale()}</text>
                {nibbles.collect_view()}
            </svg>
            <figcaption class="note">{t.block_in_words()}</figcaption>
        </figure>
    }
    .into_any()
}
