// @ts-check
// What is wrong with a message: said above it, and beside the field that is to blame, wherever that is.

import { parsed } from "./morph.js";
import { announce, find, running } from "./page.js";
import { say } from "./texts.js";

const FIELDS = "#composer :is(input, textarea), :is(input, textarea, select)[form=composer]";

/** @param {string} text */
export function complain(text) {
  find("#complaint", HTMLElement).textContent = text;
  find("#choice", HTMLElement).replaceChildren();
  document.querySelector(".news .open")?.remove();
  if (text && !running()) {
    announce("");
  }
  for (const field of document.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
  }
  for (const line of document.querySelectorAll(".wrong")) {
    line.textContent = "";
  }
}

/**
 * @param {string} reason
 * @param {string | null} name of the field to blame
 */
export function refuse(reason, name) {
  const sentence = `${reason.charAt(0).toUpperCase()}${reason.slice(1)}${say("full_stop")}`;
  complain(sentence);
  const field = name && document.querySelector(`[name=${CSS.escape(name)}]`);
  if (field instanceof HTMLElement) {
    field.setAttribute("aria-invalid", "true");
    const line = document.getElementById(`wrong-${name}`);
    if (line) {
      line.textContent = sentence;
      reveal(field);
    }
  }
}

/** Shows the ways on from what was refused, where there are some.
 * @param {string | null} html */
export function offer(html) {
  find("#choice", HTMLElement).replaceChildren(parsed(html ?? ""));
}

/** Opens what a field is hidden in.
 * @param {HTMLElement} field */
function reveal(field) {
  for (let parent = field.parentElement; parent; parent = parent.parentElement) {
    if (parent instanceof HTMLDetailsElement) {
      parent.open = true;
    } else if (parent.popover && !parent.checkVisibility()) {
      parent.showPopover();
    }
  }
  field.focus();
}

/** A complaint goes once its cause does: the field is mended, or the answer that was in the way has ended. */
export function watchComplaints() {
  for (const field of document.querySelectorAll(FIELDS)) {
    field.addEventListener("input", () => {
      const blamed = document.querySelector("[aria-invalid]");
      // Ways on stay: what is typed and set may be changed until one is chosen.
      if (blamed ? blamed === field : !find("#choice", HTMLElement).hasChildNodes()) {
        complain("");
      }
    });
  }
}

export function answerEnded() {
  if (!document.querySelector("[aria-invalid]")) {
    complain("");
  }
}
