// @ts-check
// Keys that work anywhere on the page; what is typed into a field stays there.

import { find, running } from "./page.js";

export function watchKeys() {
  document.addEventListener("keydown", onKey);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.isComposing || event.defaultPrevented) {
    return;
  }
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  // Escape closes first what is open.
  const edited = event.target instanceof Element ? event.target.closest("details.edit") : null;
  if (event.key === "Escape" && edited instanceof HTMLDetailsElement) {
    event.preventDefault();
    edited.open = false;
    find("#message", HTMLElement).focus();
  } else if (event.key === "Escape" && running() && !document.querySelector(":popover-open")) {
    event.preventDefault();
    find("#stop", HTMLFormElement).requestSubmit();
  } else if (event.key.toLowerCase() === "o" && event.shiftKey && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    find("#sidebar .new", HTMLButtonElement).click();
  } else if (event.key === "ArrowUp" && plain && !event.shiftKey && isBlank(event.target)) {
    editLast(event);
  } else if (event.key === "?" && plain && !isTyped(event.target)) {
    event.preventDefault();
    find("#keys", HTMLElement).togglePopover();
  }
}

/** @param {EventTarget | null} target */
function isTyped(target) {
  return target instanceof HTMLElement && target.matches("textarea, select, input:not([type=range])");
}

/** @param {EventTarget | null} target */
function isBlank(target) {
  return target instanceof HTMLTextAreaElement && target.id === "message" && target.value === "";
}

/** @param {KeyboardEvent} event */
function editLast(event) {
  const edit = Array.from(document.querySelectorAll("#log > .acts > .edit")).at(-1);
  const text = edit?.querySelector("textarea");
  if (edit instanceof HTMLDetailsElement && text) {
    event.preventDefault();
    edit.open = true;
    text.focus();
    text.setSelectionRange(text.value.length, text.value.length);
    text.scrollIntoView({ block: "nearest" });
  }
}
