// @ts-check
// Settings under names: used without a new page, so that what is typed stays.

import { find } from "./page.js";
import { set } from "./settings.js";

export function watchPresets() {
  find("#use-preset", HTMLButtonElement).addEventListener("click", use);
  find("#preset_name", HTMLInputElement).addEventListener("keydown", onKey);
}

/** @param {MouseEvent} event */
function use(event) {
  event.preventDefault();
  const option = find("#preset", HTMLSelectElement).selectedOptions[0];
  set(JSON.parse(option?.dataset.fields ?? "{}"));
}

/** Enter would send the message.
 * @param {KeyboardEvent} event */
function onKey(event) {
  if (event.key === "Enter" && !event.isComposing) {
    event.preventDefault();
    find("#save-preset", HTMLButtonElement).click();
  }
}
