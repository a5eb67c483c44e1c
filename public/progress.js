// @ts-check
// The line of an answer in the making: what it is at, how fast, for how long and for how much.

import { say } from "./texts.js";

/**
 * @typedef {object} Status
 * @property {"behind" | "queued" | "prefill" | "thinking" | "decode"} phase
 * @property {number} done prompt tokens
 * @property {number} total prompt tokens
 * @property {string} [place] how many wait before, and for how long
 * @property {string[]} [figures] speed, times reading, first token, as far as they say something
 * @property {number} elapsed_s since the question was taken
 */

/** Both languages of the page write numbers alike. */
const usd = new Intl.NumberFormat("en", {
  style: "currency",
  currency: "USD",
  minimumSignificantDigits: 3,
  maximumSignificantDigits: 3,
});

/** @param {number} tokens */
const grouped = (tokens) => tokens.toLocaleString("en");

export class Progress {
  /** @param {HTMLElement} article the answer */
  constructor(article) {
    // A page that streamed and was cut off has such a line of its own.
    for (const stale of article.querySelectorAll(".tick")) {
      stale.remove();
    }
    this.article = article;
    this.line = document.createElement("span");
    this.line.className = "tick";
    this.line.setAttribute("aria-hidden", "true");
    this.place(false);
    // A price that is changed meanwhile is that of the next answer.
    const price = /** @type {HTMLInputElement | null} */ (document.querySelector("#usd_per_hour"));
    this.usdPerSecond = (price?.valueAsNumber ?? NaN) / 3600;
    this.begun = performance.now();
    /** What waits for an answer before it costs nothing yet. */
    this.counts = true;
    /** What is told first is told on narrow screens too. */
    this.words = [say("waiting")];
    this.timer = setInterval(() => this.tell(), 100);
    this.tell();
  }

  /**
   * The line stands still above the message: below a text that grows it would jump with each line of it. Of an answer that
   * waits for another it stands where that answer is going to be.
   * @param {boolean} waits
   */
  place(waits) {
    const place = (waits ? null : document.querySelector(".news")) ?? this.article;
    if (this.line.parentNode !== place) {
      place.append(this.line);
    }
  }

  /** @param {Status} status */
  set(status) {
    this.place(status.phase === "behind");
    this.begun = performance.now() - status.elapsed_s * 1000;
    this.counts = true;
    if (status.phase === "prefill") {
      this.words = [say("reading_prompt"), say("prompt_so_far", { done: grouped(status.done), total: grouped(status.total) })];
    } else if (status.phase === "behind") {
      this.words = [say("waiting_behind")];
      this.counts = false;
    } else if (status.phase === "queued") {
      this.words = [say("waiting_turn"), ...(status.place ? [status.place] : [])];
    } else {
      const figures = status.figures ?? [say("writing")];
      this.words = status.phase === "thinking" ? [say("thinking"), ...figures] : figures;
    }
    this.tell();
  }

  /** The connection is lost, so that nothing is known of it. */
  lose() {
    this.words = [say("trying_again")];
    this.tell();
  }

  tell() {
    const seconds = (performance.now() - this.begun) / 1000;
    const cost = Number.isFinite(this.usdPerSecond) && this.counts ? [usd.format(seconds * this.usdPerSecond)] : [];
    const [first, ...others] = this.words.map((word) => `${word} · `);
    const wide = document.createElement("span");
    wide.className = "wide";
    wide.textContent = others.join("");
    this.line.replaceChildren(first ?? "", wide, [say("seconds_so_far", { seconds: seconds.toFixed(1) }), ...cost].join(" · "));
  }

  stop() {
    clearInterval(this.timer);
    this.line.remove();
  }
}
