// @ts-check
// The chat page as a person sees it, and a test that fails when the browser complains behind their back.
import { AxeBuilder } from "@axe-core/playwright";
import { test as base, expect } from "@playwright/test";

/** A question that the default model answers at length. */
export const LONG = "Write a long story about a lighthouse keeper and the sea.";

export class ChatPage {
  /** @param {import("@playwright/test").Page} page */
  constructor(page) {
    this.page = page;
    this.message = page.getByRole("textbox", { name: "Message" });
    this.send = page.getByRole("button", { name: "Send" });
    this.stop = page.getByRole("button", { name: "Stop" });
    this.questions = page.getByRole("article", { name: "Question" });
    this.answers = page.getByRole("article", { name: "Answer" });
    this.temperature = page.getByRole("slider", { name: "Temperature" });
    this.maxTokens = page.getByRole("slider", { name: "Max response tokens" });
    this.usdPerHour = page.getByLabel("$ per hour");
    this.newChat = page.getByRole("button", { name: "New chat" });
    this.complaint = page.getByRole("alert").first();
  }

  /** Begins a conversation whose answers are the same every time. @param {number} maxTokens */
  async open(maxTokens) {
    await this.page.goto("/");
    await this.temperature.fill("0");
    await this.maxTokens.fill(String(maxTokens));
  }

  /** Opens what the rarer settings are folded in. */
  async openMoreSettings() {
    if (!(await this.usdPerHour.isVisible())) {
      await this.page.getByText("More settings").click();
    }
  }

  /** @param {string} usdPerHour */
  async setPrice(usdPerHour) {
    await this.openMoreSettings();
    await this.usdPerHour.fill(usdPerHour);
  }

  /** @param {string} question */
  async ask(question) {
    await this.message.fill(question);
    // A page that streams an answer has not loaded before the answer ends.
    await this.send.click({ noWaitAfter: true });
  }

  /** The newest answer. */
  get answer() {
    return this.answers.last();
  }

  /** What is written of the newest answer, without what is told of it. */
  get body() {
    return this.answer.locator(".body");
  }

  /** The figures under the newest answer. */
  get metrics() {
    return this.answer.getByRole("group", { name: "Metrics" });
  }

  /** Waits until the newest answer is longer than `length` characters. @param {number} length */
  async partial(length) {
    await expect
      .poll(async () => (await this.body.innerText()).length)
      .toBeGreaterThan(length);
    return this.body.innerText();
  }

  /**
   * Notes inside of the page when how much of the newest answer was there. Asking from outside misses what a fast model
   * writes between two questions.
   */
  async record() {
    return this.page.evaluateHandle(() => {
      /** @type {{ at: number, length: number }[]} */
      const states = [];
      const log = /** @type {HTMLElement} */ (document.querySelector("#log"));
      new MutationObserver(() => {
        let length = 0;
        for (const prose of log.querySelectorAll(".answer:last-child .prose")) {
          length += prose.textContent?.length ?? 0;
        }
        if (length > 0 && length !== states.at(-1)?.length) {
          states.push({ at: performance.now() / 1000, length });
        }
      }).observe(log, { childList: true, subtree: true, characterData: true });
      return states;
    });
  }

  /** Watches the newest answer to its end: how many lengths were seen. */
  async statesUntilEnd() {
    const lengths = new Set();
    await expect(this.answer).toBeAttached();
    while (!(await this.metrics.isVisible())) {
      lengths.add((await this.body.innerText()).length);
      await this.page.waitForTimeout(20);
    }
    return lengths.size;
  }

  /** Asks a second question, and somebody else one at the same time. */
  async askInCompany() {
    const other = new ChatPage(await this.page.context().newPage());
    await this.open(250);
    await this.ask("Why is the sky blue?");
    await expect(this.metrics).toBeVisible();
    await other.open(250);
    await this.ask(LONG);
    await other.ask(LONG);
    await expect(this.answers).toHaveCount(2);
    for (const chat of [this, other]) {
      await expect(chat.metrics).toBeVisible();
    }
  }

  /** What the page shows for `term` under More, folded or not. @param {string} term */
  async figure(term) {
    const entry = this.metrics.locator("dl.details > div").filter({
      has: this.page.locator("dt").getByText(term, { exact: true }),
    });
    return (await entry.locator("dd").textContent()) ?? "";
  }
}

/** The number in "250 ms", "$6.55" or "41.3 tokens/s"; times in seconds. @param {string} figure */
export function number(figure) {
  const minutes = /^(\d+) min (\d+) s$/.exec(figure);
  if (minutes) {
    return Number(minutes[1]) * 60 + Number(minutes[2]);
  }
  const value = Number.parseFloat(figure.replace(/[$,]/g, ""));
  return figure.endsWith(" ms") ? value / 1000 : value;
}

/**
 * No rule of accessibility is broken, and nothing is wider than the screen.
 * @param {import("@playwright/test").Page} page
 */
export async function expectFitting(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0].target}`)).toEqual([]);
  await expectNoOverflow(page);
}

/** Nothing is wider than the screen. @param {import("@playwright/test").Page} page */
export async function expectNoOverflow(page) {
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - window.innerWidth,
  );
  expect(overflow).toBeLessThanOrEqual(0);
}

/**
 * @typedef {object} Fixtures
 * @property {RegExp[]} tolerated Console errors that a test brings about on purpose.
 * @property {ChatPage} chat
 */

export const test = /** @type {typeof base.extend<Fixtures>} */ (base.extend)({
  tolerated: [[], { option: true }],

  context: async ({ context, baseURL, tolerated }, use) => {
    /** @type {string[]} */
    const complaints = [];
    context.on("console", (message) => {
      const text = message.text();
      const expected = tolerated.some((pattern) => pattern.test(text));
      // A violation of the Content-Security-Policy is a console error as well.
      if (message.type() === "error" && !expected) {
        complaints.push(`console: ${text}`);
      }
    });
    context.on("weberror", (error) => {
      complaints.push(`uncaught: ${error.error().message}`);
    });
    context.on("request", (request) => {
      if (!request.url().startsWith(`${baseURL}/`)) {
        complaints.push(`request to another site: ${request.url()}`);
      }
    });
    await use(context);
    expect(complaints).toEqual([]);
  },

  chat: async ({ page }, use) => {
    await use(new ChatPage(page));
  },
});

export { expect };
