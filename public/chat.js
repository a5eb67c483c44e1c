// @ts-check
// Makes the page answer without being loaded anew. Everything here also works without it, by plain forms.

import { follow, offerCopy } from "./answer.js";
import { pin, watch } from "./scroll.js";

/**
 * @template {HTMLElement} T
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
function find(selector, type) {
  const element = document.querySelector(selector);
  if (element instanceof type) {
    return element;
  }
  throw new Error(`the page has no \`${selector}\``);
}

/** What tabs of one browser tell each other about a new turn.
 * @typedef {{ conversation: string, title: string | null, run: string, html: string }} Started */

/** @typedef {{ outcome: "refused", conversation: string, title?: undefined, field: string | null, reason: string }} Refused */

const tabs = new BroadcastChannel("nibble");

let sending = false;

/** The last answer, if it is still being written.
 * @returns {HTMLElement | null} */
const running = () => document.querySelector("#log > .answer:last-child:not(:has(.final))");

function start() {
  const navigation = /** @type {PerformanceNavigationTiming | undefined} */ (
    performance.getEntriesByType("navigation")[0]
  );
  watch(find("#log", HTMLElement), running() !== null || navigation?.type === "navigate");
  find("#composer", HTMLFormElement).addEventListener("submit", onSend);
  find("#stop", HTMLFormElement).addEventListener("submit", onStop);
  find("#message", HTMLTextAreaElement).addEventListener("keydown", onKey);
  for (const slider of document.querySelectorAll("input[type=range]")) {
    slider.addEventListener("input", () => showValue(/** @type {HTMLInputElement} */ (slider)));
    showValue(/** @type {HTMLInputElement} */ (slider));
  }
  tabs.addEventListener("message", (event) => onOtherTab(event.data));
  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", takeOver);
  } else {
    takeOver();
  }
}

/** The page itself streams an answer that was running when it was asked for: ours is only what that leaves undone. */
function takeOver() {
  offerCopy(document);
  const answer = running();
  if (answer) {
    follow(answer, news);
  } else if (find("#status", HTMLElement).textContent?.trim()) {
    news.announce("The answer has ended.");
  }
}

/** @type {import("./answer.js").News} */
const news = {
  announce: (text) => (find("#status", HTMLElement).textContent = text),
  detail: (text) => (find("#clock", HTMLElement).textContent = text),
  ended: () => {
    // The Stop button has just gone.
    if (document.activeElement === document.body || document.activeElement?.matches(".stop")) {
      goOn();
    }
  },
};

/** Goes where the person goes on: to the message, or on a touch screen, where that would raise the keyboard over the
 * answer, to the button that is there. */
function goOn() {
  const button = running() ? ".stop" : ".send";
  const touch = matchMedia("(pointer: coarse)").matches;
  find(touch ? button : "#message", HTMLElement).focus({ preventScroll: touch });
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  // Enter also ends the composition of, say, Japanese text; some browsers tell that by the key code alone.
  const composing = event.isComposing || event.keyCode === 229;
  if (event.key === "Enter" && !event.shiftKey && !composing) {
    event.preventDefault();
    find("#composer", HTMLFormElement).requestSubmit();
  }
}

/** @param {SubmitEvent} event */
async function onSend(event) {
  if (event.submitter?.hasAttribute("formaction")) {
    return;
  }
  event.preventDefault();
  if (sending) {
    return;
  }
  if (running()) {
    complain("An answer is still being written: wait for it or stop it.");
    return;
  }
  sending = true;
  complain("");
  try {
    const reply = await post(find("#composer", HTMLFormElement));
    adopt(reply);
    if (reply.outcome === "started") {
      find("#message", HTMLTextAreaElement).value = "";
      append(reply);
      tabs.postMessage(reply);
    } else {
      refuse(reply);
    }
  } catch (error) {
    complain(`The message was not sent: ${error instanceof Error ? error.message : error}. Press Send to try again.`);
  } finally {
    sending = false;
    goOn();
  }
}

/** @param {Event} event */
async function onStop(event) {
  event.preventDefault();
  try {
    await post(find("#stop", HTMLFormElement));
  } catch (error) {
    complain(`The answer could not be stopped: ${error instanceof Error ? error.message : error}.`);
  }
}

/**
 * Posts a form as the browser would, but asks for JSON.
 * @param {HTMLFormElement} form
 * @returns {Promise<any>}
 */
async function post(form) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(/** @type {any} */ (new FormData(form))),
    });
  } catch {
    throw new Error("the server cannot be reached");
  }
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(text.trim() || `the server answered with status ${response.status}`);
  }
}

/** @param {Started} started */
function append({ conversation, run, html }) {
  const log = find("#log", HTMLElement);
  const last = log.lastElementChild;
  if (last instanceof HTMLElement && last.dataset.run && !last.dataset.run.startsWith(`${conversation}-`)) {
    const note = document.createElement("p");
    note.className = "outcome";
    note.textContent = "A new conversation begins here: the model no longer knows what stands above.";
    log.append(note);
  }
  log.insertAdjacentHTML("beforeend", html);
  find("#stop [name=run]", HTMLInputElement).value = run;
  pin();
  const answer = running();
  if (answer) {
    follow(answer, news);
  }
}

/** @param {Started} started */
function onOtherTab(started) {
  const here = find("#composer [name=conversation]", HTMLInputElement).value === started.conversation;
  if (here && !document.querySelector(`[data-run="${CSS.escape(started.run)}"]`)) {
    append(started);
  }
}

/**
 * From now on this page is that conversation, or one that is still to begin.
 * @param {Started | Refused} reply
 */
function adopt({ conversation, title }) {
  find("#composer [name=conversation]", HTMLInputElement).value = conversation;
  if (title) {
    document.title = `${title} · Nibble`;
  }
  history.replaceState(null, "", conversation ? `/c/${conversation}` : "/");
}

/** @param {Refused} refused */
function refuse({ field, reason }) {
  complain(`${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`);
  if (field) {
    find(`[name=${CSS.escape(field)}]`, HTMLElement).setAttribute("aria-invalid", "true");
  }
}

/** @param {string} text */
function complain(text) {
  find("#complaint", HTMLElement).textContent = text;
  if (text && !running()) {
    news.announce("");
  }
  for (const field of document.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
  }
}

/** @param {HTMLInputElement} slider */
function showValue(slider) {
  const output = slider.closest(".field")?.querySelector("output");
  if (output) {
    output.textContent = slider.value;
  }
}

if (document.querySelector("#composer")) {
  start();
}
