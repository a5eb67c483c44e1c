// @ts-check
// Makes the page answer without being loaded anew. Everything here also works without it, by plain forms.

import { showChats, watchActs } from "./acts.js";
import { follow, offerCopy } from "./answer.js";
import { forgetFiles, hasFiles, watchFiles } from "./attach.js";
import { answerEnded, complain, offer, refuse, watchComplaints } from "./complaint.js";
import { watchKeys } from "./keys.js";
import { followFetch } from "./models.js";
import { watchOutlook } from "./outlook.js";
import { announce, conversation, find, running } from "./page.js";
import { watchPresets } from "./presets.js";
import { pin, watch } from "./scroll.js";
import { remember, rememberMessage, watchSettings } from "./settings.js";
import { say } from "./texts.js";

/** What tabs of one browser tell each other about a new turn.
 * @typedef {{ conversation: string, title: string | null, run: string, html: string }} Started */

/** @typedef {{ outcome: "refused", conversation: string, title?: undefined, field: string | null, reason: string,
 *   choice: string | null }} Refused */

const tabs = new BroadcastChannel("nibble");

/** Words that are read out when an answer ends are read by then, in milliseconds. */
const HEARD_MS = 5000;

/** A message that is under way for longer is worth a word. */
const SLOW_MS = 1000;

let sending = false;

function start() {
  const navigation = /** @type {PerformanceNavigationTiming | undefined} */ (
    performance.getEntriesByType("navigation")[0]
  );
  const atEnd = running() !== null || navigation?.type === "navigate";
  if (location.pathname.startsWith("/api/")) {
    // It answers a button of the settings, which is not to be pressed once more with the next reload.
    history.replaceState(null, "", chatAddress(conversation().value));
  }
  watch(find("#log", HTMLElement), find("#jump", HTMLElement), atEnd);
  find("#composer", HTMLFormElement).addEventListener("submit", onSend);
  find("#stop", HTMLFormElement).addEventListener("submit", onStop);
  find("#message", HTMLTextAreaElement).addEventListener("keydown", onKey);
  watchSettings();
  watchFiles();
  watchOutlook();
  watchPresets();
  watchComplaints();
  watchKeys();
  watchActs();
  // On an empty page typing comes first, but not on a touch screen, where it raises the keyboard.
  if (document.activeElement === document.body && document.querySelector(".starters") && !touch()) {
    find("#message", HTMLElement).focus();
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
  const answers = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#log > .answer:not(:has(.final))"));
  for (const answer of answers) {
    follow(answer, news);
  }
  if (answers.length === 0 && find("#status", HTMLElement).textContent?.trim()) {
    news.announce(say("has_ended"));
    news.ended();
  }
}

/** @type {import("./answer.js").News} */
const news = {
  announce,
  ended: () => {
    answerEnded();
    aimStop();
    showChats();
    setTimeout(() => running() || announce(""), HEARD_MS);
    // The Stop button has just gone.
    if (document.activeElement === document.body || document.activeElement?.matches(".stop")) {
      goOn();
    }
  },
};

const touch = () => matchMedia("(pointer: coarse)").matches;

/** Goes where the person goes on: to the message, or on a touch screen, where that would raise the keyboard over the
 * answer, to the button that is there. */
function goOn() {
  const button = running() ? ".stop" : ".send";
  find(touch() ? button : "#message", HTMLElement).focus({ preventScroll: touch() });
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
  const message = find("#message", HTMLTextAreaElement);
  const starter = event.submitter?.getAttribute("name") === "starter";
  if (!starter && !hasFiles() && !message.value.trim()) {
    refuse(say("message_empty"), "message");
    message.focus();
    return;
  }
  sending = true;
  const form = find("#composer", HTMLFormElement);
  // The button that was pressed may go with a complaint.
  const fields = new FormData(form, event.submitter);
  complain("");
  form.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => announce(say("sending")), SLOW_MS);
  try {
    const reply = await post(form, fields);
    const before = conversation().value;
    adopt(reply);
    if (reply.outcome === "started") {
      if (!starter) {
        message.value = "";
        rememberMessage();
        forgetFiles();
      }
      remember();
      append(reply, before !== reply.conversation);
      if (fields.has("when_full")) {
        showChats();
      }
      tabs.postMessage(reply);
    } else {
      refuse(reply.reason, reply.field);
      offer(reply.choice);
    }
  } catch (error) {
    complain(say("not_sent", { why: error instanceof Error ? error.message : String(error) }));
  } finally {
    clearTimeout(slow);
    form.removeAttribute("aria-busy");
    sending = false;
    if (!document.querySelector("[aria-invalid]")) {
      goOn();
    }
  }
}

/** @param {Event} event */
async function onStop(event) {
  event.preventDefault();
  try {
    const form = find("#stop", HTMLFormElement);
    await post(form, new FormData(form));
  } catch (error) {
    complain(say("not_stopped", { why: error instanceof Error ? error.message : String(error) }));
  }
}

/**
 * Posts a form as the browser would, but asks for JSON.
 * @param {HTMLFormElement} form
 * @param {FormData} fields
 * @returns {Promise<any>}
 */
async function post(form, fields) {
  /** @type {Response} */
  let response;
  if (!hasFiles()) {
    fields.delete("files");
  }
  try {
    response = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: hasFiles() ? fields : new URLSearchParams(/** @type {any} */ (fields)),
    });
  } catch {
    throw new Error(say("unreachable"));
  }
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(text.trim() || say("server_status", { status: response.status }));
  }
}

/**
 * @param {Started} started
 * @param {boolean} begins whether it begins a conversation
 */
function append({ html }, begins) {
  // This was an earlier part of a chat, whose end is elsewhere; its address is that of the end by now.
  if (document.querySelector("#later")) {
    location.reload();
    return;
  }
  const log = find("#log", HTMLElement);
  if (begins && log.querySelector(".answer")) {
    const note = document.createElement("p");
    note.className = "outcome";
    note.textContent = say("is_new_conversation");
    log.append(note);
  }
  log.insertAdjacentHTML("beforeend", html);
  aimStop();
  pin();
  if (begins) {
    showChats();
  }
  const answer = log.lastElementChild;
  if (answer instanceof HTMLElement) {
    follow(answer, news);
  }
}

/** Stop is for the answer that is being written. */
function aimStop() {
  find("#stop [name=run]", HTMLInputElement).value = running()?.dataset.run ?? "";
}

/** @param {Started} started */
function onOtherTab(started) {
  const here = conversation().value === started.conversation;
  if (here && !document.querySelector(`[data-run="${CSS.escape(started.run)}"]`)) {
    complain("");
    append(started, false);
  }
}

/**
 * From now on this page is that conversation, or one that is still to begin.
 * @param {Started | Refused} reply
 */
function adopt({ conversation: id, title }) {
  conversation().value = id;
  if (title) {
    document.title = `${title} · Nibble`;
  }
  history.replaceState(null, "", chatAddress(id));
}

/** @param {string} id a conversation, or empty for one that is to begin */
function chatAddress(id) {
  return id ? `/c/${id}` : "/";
}

if (document.querySelector("#message")) {
  start();
}
const fetching = document.querySelector("#fetching");
if (fetching instanceof HTMLElement) {
  followFetch(fetching);
}
// In another language it is another worker, which keeps the offline page in it.
navigator.serviceWorker?.register(`/worker.js?${document.documentElement.lang}`).catch(() => {
  // A page that cannot be installed is a page all the same.
});
