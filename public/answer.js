// @ts-check
// Follows one answer while the server writes it, and gives code its copy buttons.

/**
 * What to tell the person about an answer.
 * @typedef {object} News
 * @property {(text: string) => void} announce a change that is worth hearing
 * @property {(detail: string) => void} detail numbers that change often
 * @property {() => void} ended the answer is complete
 */

/**
 * @typedef {object} Status
 * @property {"queued" | "prefill" | "decode"} phase
 * @property {number} done prompt tokens
 * @property {number} total prompt tokens
 * @property {string} [place] how many wait before, and for how long
 * @property {number} elapsed_s since the question was taken
 */

/** @type {Record<Status["phase"], string>} */
const PHASES = {
  queued: "Waiting for its turn.",
  prefill: "Reading the prompt.",
  decode: "The model is answering.",
};

/**
 * Fills an article from the events of its run. The server says from which byte each piece goes on; at 0 all begins
 * anew, so a connection that was lost leaves neither gaps nor doubles.
 * @param {HTMLElement} article
 * @param {News} news
 */
export function follow(article, news) {
  const body = /** @type {HTMLElement} */ (article.querySelector(".body"));
  const blocks = box("block prose");
  const tail = box("tail prose");
  const source = new EventSource(`/runs/${article.dataset.run}/events`);
  const clock = new Clock(news);

  source.addEventListener("status", (event) => {
    /** @type {Status} */
    const status = JSON.parse(event.data);
    news.announce(PHASES[status.phase]);
    clock.set(status);
  });
  source.addEventListener("text", (event) => {
    const { at, html, tail: rest } = JSON.parse(event.data);
    // Not before: what an earlier connection brought may be all that is left of the answer.
    if (!blocks.isConnected) {
      body.replaceChildren(blocks, tail);
    }
    if (at === 0) {
      blocks.replaceChildren();
    }
    blocks.insertAdjacentHTML("beforeend", html);
    offerCopy(blocks);
    tail.innerHTML = rest;
  });
  source.addEventListener("done", (event) => {
    source.close();
    clock.stop();
    const { html, status } = JSON.parse(event.data);
    body.innerHTML = html;
    offerCopy(body);
    news.announce(status);
    news.ended();
  });
  source.addEventListener("error", () => {
    // The browser tries again by itself, but not after a refusal.
    if (source.readyState === EventSource.CONNECTING) {
      news.announce("The connection is lost, trying again.");
    } else {
      clock.stop();
      news.announce("The connection to this answer is lost.");
      body.append(retry(() => follow(article, news)));
    }
  });
}

/** The time an answer has taken so far, and how much of its prompt is read. */
class Clock {
  /** @param {News} news */
  constructor(news) {
    this.news = news;
    this.begun = performance.now();
    this.prefix = "";
    this.timer = setInterval(() => this.tell(), 100);
  }

  /** @param {Status} status */
  set(status) {
    this.begun = performance.now() - status.elapsed_s * 1000;
    const [done, total] = [status.done, status.total].map((tokens) => tokens.toLocaleString("en"));
    const place = status.place ? `${status.place} · ` : "";
    this.prefix = status.phase === "prefill" ? `${done} of ${total} tokens · ` : place;
    this.tell();
  }

  tell() {
    const seconds = (performance.now() - this.begun) / 1000;
    this.news.detail(`${this.prefix}${seconds.toFixed(1)} s`);
  }

  stop() {
    clearInterval(this.timer);
    this.news.detail("");
  }
}

/**
 * Puts a copy button on every block of code that has none.
 * @param {ParentNode} parent
 */
export function offerCopy(parent) {
  for (const figure of parent.querySelectorAll("figure.code:not(:has(button))")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      const copied = await copy(/** @type {HTMLElement} */ (figure.querySelector("code")));
      button.textContent = copied ? "Copied" : "Press Ctrl+C";
      setTimeout(() => (button.textContent = "Copy"), 2000);
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

/**
 * @param {string} className
 * @returns {HTMLElement}
 */
function box(className) {
  const element = document.createElement("div");
  element.className = className;
  element.dir = "auto";
  return element;
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
  button.textContent = "Try again";
  button.addEventListener("click", () => {
    line.remove();
    again();
  });
  line.append(button);
  return line;
}
