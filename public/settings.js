// @ts-check
// The settings and the message that is being typed: they outlast a reload, New chat and the logo, tabs of one conversation
// have the same, and the folded section stays folded.

import { browser, conversation, find, keep, kept, tab } from "./page.js";

const SETTINGS = "#sidebar .field [name]";

/** Settings of one conversation, as they were typed.
 * @typedef {{ conversation: string, values: Record<string, string> }} Typed */

const tabs = new BroadcastChannel("nibble.settings");

/** @typedef {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} Field */

/** @returns {Field[]} */
const fields = () => Array.from(document.querySelectorAll(SETTINGS));

export function watchSettings() {
  restore();
  for (const field of fields()) {
    field.addEventListener("input", () => show(field));
    field.addEventListener("input", remember);
    field.addEventListener("change", () => tabs.postMessage(typed()));
    show(field);
  }
  tabs.addEventListener("message", (event) => onOtherTab(event.data));
  find("#machine", HTMLSelectElement).addEventListener("change", choosePrice);
  watchMessage();
  watchFold();
  watchTheme();
  watchLanguage();
}

/** What this tab keeps of the conversation may be older, whichever it shows now.
 * @param {Typed} other */
function onOtherTab(other) {
  if (other.conversation && other.conversation === last()?.conversation) {
    keep(tab, "settings", JSON.stringify(other));
  }
  if (other.conversation && other.conversation === conversation().value) {
    fill(other.values);
    remember();
  }
}

/** @returns {Typed} */
function typed() {
  const values = Object.fromEntries(fields().map((field) => [field.name, field.value]));
  return { conversation: conversation().value, values };
}

/** Of this page's conversation from now on: it may just have begun. */
export function remember() {
  keep(tab, "settings", JSON.stringify(typed()));
}

/** What this tab has set last, in whichever conversation.
 * @returns {Typed | null} */
const last = () => JSON.parse(kept(tab, "settings") ?? "null");

/** What was set in this conversation; one that has not begun takes what was set last. */
function restore() {
  const set = last();
  const fresh = !document.querySelector("#log > .question");
  // Fields that the server complains about show what it found.
  const complained = document.querySelector("#complaint")?.textContent;
  if (set && !complained && (fresh || set.conversation === conversation().value)) {
    fill(set.values);
  }
}

/** @param {Record<string, string>} values */
function fill(values) {
  for (const field of fields()) {
    const value = values[field.name] ?? field.value;
    // A list has only what can be chosen now: a model may have gone.
    if (!(field instanceof HTMLSelectElement) || Array.from(field.options).some((option) => option.value === value)) {
      field.value = value;
    }
    show(field);
  }
}

/** Sets what is named, as if it had been typed.
 * @param {Record<string, string>} values */
export function set(values) {
  fill(values);
  remember();
  tabs.postMessage(typed());
}

/** What a field's value is said to be beside it.
 * @param {Field} field */
function show(field) {
  const output = field.closest(".field")?.querySelector("output");
  if (output) {
    output.textContent = Number(field.value).toLocaleString("en");
  }
  if (field.name === "usd_per_hour") {
    showPrice(field.value);
  }
}

/** Says whose price it is.
 * @param {string} price */
function showPrice(price) {
  const machine = find("#machine", HTMLSelectElement);
  const options = Array.from(machine.options);
  const option = options.find(({ value }) => value && Number(value) === Number(price)) ?? options.at(-1);
  if (option) {
    option.selected = true;
    find("#price", HTMLElement).textContent = option.dataset.origin ?? "";
  }
}

/** @param {Event} event */
function choosePrice(event) {
  const price = find("#usd_per_hour", HTMLInputElement);
  const { value } = /** @type {HTMLSelectElement} */ (event.target);
  if (value) {
    price.value = value;
    price.dispatchEvent(new Event("input", { bubbles: true }));
    price.dispatchEvent(new Event("change"));
  } else {
    price.focus();
    price.select();
  }
}

function watchMessage() {
  const message = find("#message", HTMLTextAreaElement);
  message.value ||= kept(tab, "message") ?? "";
  message.addEventListener("input", rememberMessage);
}

export function rememberMessage() {
  keep(tab, "message", find("#message", HTMLTextAreaElement).value);
}

function watchFold() {
  const settings = find("#settings", HTMLDetailsElement);
  if (kept(browser, "settings-folded") && !settings.querySelector("[aria-invalid]")) {
    settings.open = false;
  }
  settings.addEventListener("toggle", () => keep(browser, "settings-folded", settings.open ? "" : "yes"));
}

/** Light or dark; `theme.js` sets it on the next page. */
function watchTheme() {
  const theme = find("#theme", HTMLSelectElement);
  const scheme = /** @type {HTMLMetaElement} */ (document.querySelector("meta[name=color-scheme]"));
  theme.value = scheme.content;
  theme.addEventListener("change", () => {
    scheme.content = theme.value;
    keep(browser, "theme", theme.value);
  });
  window.addEventListener("storage", ({ key, newValue }) => {
    if (key === "nibble.theme" && newValue) {
      theme.value = scheme.content = newValue;
    }
  });
}

/** The page comes anew in the other language, with what is kept of it. */
function watchLanguage() {
  for (const button of document.querySelectorAll(".language button")) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      chooseLanguage(/** @type {HTMLButtonElement} */ (button));
    });
  }
}

/** @param {HTMLButtonElement} button */
async function chooseLanguage({ formAction, value }) {
  remember();
  // Where that leads is this page.
  const body = new URLSearchParams({ language: value });
  await fetch(formAction, { method: "POST", redirect: "manual", body }).catch(() => null);
  // An answer to a form would be asked for once more.
  if (["/c/", "/chats", "/sign-in"].some((path) => location.pathname.startsWith(path)) || location.pathname === "/") {
    location.reload();
  } else {
    const chat = conversation().value;
    location.replace(chat ? `/c/${chat}` : "/");
  }
}
