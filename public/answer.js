// @ts-check
// Follows one answer while the server writes it, and gives code its copy buttons.

import { offerWithdrawal } from "./acts.js";
import { ADDED, morph, morphChildren, parsed } from "./morph.js";
import { Progress } from "./progress.js";
import { say } from "./texts.js";

/**
 * What to tell the person about an answer.
 * @typedef {object} News
 * @property {(text: string) => void} announce a change that is worth hearing
 * @property {() => void} ended the answer is complete
 */

/** @type {Record<import("./progress.js").Status["phase"], () => string>} */
const PHASES = {
  behind: () => say("waiting_behind") + say("full_stop"),
  queued: () => say("waiting_turn") + say("full_stop"),
  prefill: () => say("reading_prompt") + say("full_stop"),
  thinking: () => say("model_is_thinking"),
  decode: () => say("model_is_answering"),
};

/**
 * Fills an article from the events of its run. The server says from which byte each piece goes on; at 0 all begins
 * anew, so a connection that was lost leaves neither gaps nor doubles. What is shown stays and grows, also when the
 * ended answer comes.
 * @param {HTMLElement} article
 * @param {News} news
 */
export function follow(article, news) {
  const body = /** @type {HTMLElement} */ (article.querySelector(".body"));
  const live = box("live");
  const prose = box("prose");
  prose.dir = "auto";
  live.append(prose);
  /** Nodes of blocks that no longer change. */
  let settled = 0;
  const thought = thoughtBox();
  const source = new EventSource(`/runs/${article.dataset.run}/events`);
  const progress = new Progress(article);

  source.addEventListener("status", (event) => {
    /** @type {import("./progress.js").Status} */
    const status = JSON.parse(event.data);
    news.announce(PHASES[status.phase]());
    progress.set(status);
    offerWithdrawal(article, status.phase === "behind");
  });
  source.addEventListener("thought", (event) => {
    const { anew, text } = JSON.parse(event.data);
    if (anew) {
      thought.text.textContent = "";
    }
    thought.text.append(text);
    if (!thought.box.isConnected) {
      live.prepend(thought.box);
    }
    if (!live.isConnected) {
      body.replaceChildren(live);
    }
  });
  source.addEventListener("text", (event) => {
    const { at, html, tail } = JSON.parse(event.data);
    // Not before: what an earlier connection brought may be all that is left of the answer.
    if (!live.isConnected) {
      body.replaceChildren(live);
    }
    // Whoever opens it again later keeps it open.
    if (!thought.over && (html || tail)) {
      thought.over = true;
      thought.box.open = false;
    }
    const wanted = parsed(html);
    const from = at === 0 ? 0 : settled;
    settled = from + wanted.childNodes.length;
    wanted.append(parsed(tail));
    morphChildren(prose, wanted, from);
    offerCopy(prose);
  });
  source.addEventListener("done", (event) => {
    source.close();
    progress.stop();
    const { html, status } = JSON.parse(event.data);
    if (!html) {
      forget(article);
      news.ended();
      return;
    }
    const ended = parsed(html);
    if (live.isConnected && ended.firstElementChild) {
      morph(live, ended.firstElementChild);
    } else {
      body.replaceChildren(ended);
    }
    offerCopy(body);
    news.announce(status);
    news.ended();
  });
  source.addEventListener("error", () => {
    // The browser tries again by itself, but not after a refusal.
    if (source.readyState === EventSource.CONNECTING) {
      progress.lose();
      news.announce(say("connection_lost"));
    } else {
      progress.stop();
      news.announce(say("answer_lost"));
      offerAgain(body, source.url, () => follow(article, news));
    }
  });
}

/**
 * Takes a question that was withdrawn off the page.
 * @param {HTMLElement} answer
 */
function forget(answer) {
  let node = answer.previousElementSibling;
  while (node && !node.matches(".answer")) {
    const before = node.previousElementSibling;
    node.remove();
    node = node.matches(".question") ? null : before;
  }
  answer.remove();
}

/**
 * Puts a copy button on every block of code that has none.
 * @param {ParentNode} parent
 */
export function offerCopy(parent) {
  for (const figure of parent.querySelectorAll(`figure.code:not(:has(.${ADDED}))`)) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = ADDED;
    button.textContent = say("copy");
    button.addEventListener("click", async () => {
      const copied = await copy(/** @type {HTMLElement} */ (figure.querySelector("code")));
      button.textContent = copied ? say("copied") : say("press_ctrl_c");
      setTimeout(() => (button.textContent = say("copy")), 2000);
    });
    figure.prepend(button);
  }
}

/**
 * Where there is no clipboard, as on plain HTTP, the text is at least selected.
 * @param {HTMLElement} code
 * @returns {Promise<boolean>} whether it is in the clipboard
 */
async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.innerText);
    return true;
  } catch {
    getSelection()?.selectAllChildren(code);
    return false;
  }
}

/** What is thought, open while it comes. */
function thoughtBox() {
  const details = document.createElement("details");
  details.className = "thought";
  details.open = true;
  const summary = document.createElement("summary");
  summary.textContent = say("thinking");
  const text = box("prose thinking");
  details.append(summary, text);
  return { box: details, text, over: false };
}

/**
 * @param {string} className
 * @returns {HTMLElement}
 */
function box(className) {
  const element = document.createElement("div");
  element.className = className;
  return element;
}

/**
 * Where the server no longer knows an answer, there is nothing to try again.
 * @param {HTMLElement} body of the answer
 * @param {string} events where they were asked for
 * @param {() => void} again
 */
async function offerAgain(body, events, again) {
  const response = await fetch(events, { method: "HEAD" }).catch(() => null);
  if (response?.status !== 404) {
    body.append(retry(again));
    return;
  }
  const line = document.createElement("p");
  line.className = "outcome failed final";
  line.textContent = say("no_longer_there");
  body.append(line);
}

/**
 * The button counts as an end until it is pressed, so that the next message can be sent.
 * @param {() => void} again
 * @returns {HTMLElement}
 */
function retry(again) {
  const line = document.createElement("p");
  line.className = "retry";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "final";
  button.textContent = say("try_again");
  button.addEventListener("click", () => {
    line.remove();
    again();
  });
  line.append(button);
  return line;
}
