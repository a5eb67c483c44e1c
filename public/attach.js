// @ts-check
// Files beside the next message: chosen, dropped or pasted, each with its size and its tokens before it is sent. The field of
// the form holds them, so that the form sends them as it does without this.

import { announce, find } from "./page.js";
import { say } from "./texts.js";

/** A file of the next message.
 * @typedef {{ file: File, item: HTMLLIElement, tokens: number }} Chosen */

/** @type {Chosen[]} */
let chosen = [];

const field = () => find("#composer [name=files]", HTMLInputElement);

/** Whether the next message has files. */
export const hasFiles = () => chosen.length > 0;

/** Tokens of the files of the next message. */
export const fileTokens = () => chosen.reduce((sum, { tokens }) => sum + tokens, 0);

export function watchFiles() {
  field().addEventListener("change", () => add(field().files));
  find("#message", HTMLTextAreaElement).addEventListener("paste", onPaste);
  document.addEventListener("dragover", onDrag);
  document.addEventListener("dragleave", () => over(false));
  document.addEventListener("drop", onDrop);
}

/** The message was sent with them. */
export function forgetFiles() {
  chosen = [];
  show();
}

/** @param {ClipboardEvent} event */
function onPaste(event) {
  const files = event.clipboardData?.files;
  // A program that copies a text as a picture too means the text.
  if (files?.length && !event.clipboardData?.types.includes("text/plain")) {
    event.preventDefault();
    add(files);
  }
}

/** @param {DragEvent} event */
function onDrag(event) {
  if (event.dataTransfer?.types.includes("Files")) {
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    over(true);
  }
}

/** @param {DragEvent} event */
function onDrop(event) {
  over(false);
  if (event.dataTransfer?.files.length) {
    event.preventDefault();
    add(event.dataTransfer.files);
  }
}

/** @param {boolean} are files held above the page */
function over(are) {
  find("#composer", HTMLFormElement).toggleAttribute("data-over", are);
}

/** @param {FileList | null} files */
async function add(files) {
  const added = Array.from(files ?? [], (file) => ({ file, item: document.createElement("li"), tokens: 0 }));
  chosen.push(...added);
  for (const one of added) {
    one.item.append(part("bdi", one.file.name), part("small", say("counting")), removal(one));
  }
  show();
  // One after the other: the server reads few at a time.
  for (const one of added) {
    await count(one);
  }
}

/** @param {Chosen} one */
async function count(one) {
  const told = await counted(one.file);
  one.tokens = told.tokens ?? 0;
  const words = told.refused ?? `${size(one.file.size)} · ${say("file_tokens", { count: number(one.tokens) })}`;
  one.item.querySelector("small")?.replaceWith(part(told.refused ? "strong" : "small", words));
  announce(`${one.file.name}: ${words}`);
  show();
  changed();
}

/** Tells whoever says what the message comes to that it is another, which no script's change of a field does by itself. */
function changed() {
  field().dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * @param {File} file
 * @returns {Promise<{ tokens?: number, refused?: string }>}
 */
async function counted(file) {
  const body = new FormData();
  body.append("files", file);
  try {
    const response = await fetch("/attachments", { method: "POST", body });
    return response.ok ? (await response.json())[0] : { refused: (await response.text()).trim() };
  } catch {
    return { refused: say("unreachable") };
  }
}

/** Brings the field and the list up to date. */
function show() {
  const files = new DataTransfer();
  for (const { file } of chosen) {
    files.items.add(file);
  }
  field().files = files.files;
  const items = chosen.map(({ item }) => item);
  const tokens = fileTokens();
  if (tokens > 0) {
    const item = document.createElement("li");
    item.textContent = say("room_for_files", { count: number(tokens), context: number(Number(field().dataset.context)) });
    items.push(item);
  }
  find("#chosen", HTMLUListElement).replaceChildren(...items);
}

/**
 * @param {Chosen} one
 * @returns {HTMLButtonElement}
 */
function removal(one) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "×";
  button.setAttribute("aria-label", say("remove_named", { name: one.file.name }));
  button.addEventListener("click", () => {
    chosen = chosen.filter((other) => other !== one);
    show();
    changed();
    find("#message", HTMLElement).focus();
  });
  return button;
}

/**
 * @param {string} name of an element
 * @param {string} text
 * @returns {HTMLElement}
 */
function part(name, text) {
  const element = document.createElement(name);
  element.dir = "auto";
  element.textContent = text;
  return element;
}

/** @param {number} count
 * @returns {string} */
const number = (count) => count.toLocaleString("en");

/** @param {number} bytes
 * @returns {string} */
function size(bytes) {
  const kilobyte = 1000;
  return bytes < kilobyte ? `${bytes} B` : `${(bytes / kilobyte).toLocaleString("en", { maximumFractionDigits: 1 })} kB`;
}
