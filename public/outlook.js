// @ts-check
// What a message comes to, told as it is typed: the server counts, a while after the last key.

import { fileTokens } from "./attach.js";
import { find } from "./page.js";

/** How long nobody types before it is asked, in milliseconds. */
const PAUSE_MS = 600;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let pause;

/** @type {AbortController | undefined} */
let asking;

export function watchOutlook() {
  const form = find("#composer", HTMLFormElement);
  // Settings stand elsewhere on the page, and are fields of the form all the same.
  document.addEventListener("input", (event) => {
    if (event.target instanceof HTMLElement && "form" in event.target && event.target.form === form) {
      later(form);
    }
  });
  form.addEventListener("submit", () => forget());
}

/** @param {HTMLFormElement} form */
function later(form) {
  clearTimeout(pause);
  pause = setTimeout(() => ask(form), PAUSE_MS);
}

/** There is nothing to tell. */
function forget() {
  clearTimeout(pause);
  asking?.abort();
  tell("");
}

/** @param {HTMLFormElement} form */
async function ask(form) {
  const fields = new FormData(form);
  const message = fields.get("message");
  if (typeof message !== "string" || (!message.trim() && fileTokens() === 0)) {
    return forget();
  }
  // They were counted when they were chosen.
  fields.delete("files");
  fields.set("more", String(fileTokens()));
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const body = new URLSearchParams();
    for (const [name, value] of fields) {
      body.append(name, String(value));
    }
    const response = await fetch("/api/check", { method: "POST", body, headers: { accept: "application/json" }, signal });
    const words = response.ok ? (await response.json()).words : "";
    if (!signal.aborted) {
      tell(words);
    }
  } catch {
    // What was told is not of this message; whoever sends it will hear what is wrong.
    if (!signal.aborted) {
      tell("");
    }
  }
}

/** @param {string} words */
function tell(words) {
  find("#outlook", HTMLElement).textContent = words;
}
