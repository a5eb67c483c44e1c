// @ts-check
// An answer with everything that Markdown has, as it grows on the page. It was recorded from the renderer
// (server/src/runs/rendered.rs) and is played event by event, since no small model writes so much on demand.
import { readFile } from "node:fs/promises";
import { expect, test } from "./chat_page.js";

/** @type {[string, object][]} */
const EVENTS = JSON.parse(await readFile(new URL("rich_answer.json", import.meta.url), "utf8"));
const QUESTION = "איך נע גל?";

/** @param {(html: string) => boolean} holds @returns {number} how many events there are until one holds */
function until(holds) {
  const shown = { blocks: "", tail: "" };
  return 1 + EVENTS.findIndex(([, data]) => {
    const { html = "", tail = "" } = /** @type {{ html?: string, tail?: string }} */ (data);
    shown.blocks += html;
    shown.tail = tail;
    return holds(shown.blocks + shown.tail);
  });
}

const IN_CODE = until((html) => html.includes('<span class="function">wavelength'));

/** A chat whose next answer is the recorded one. */
class Player {
  /** @param {import("./chat_page.js").ChatPage} chat */
  constructor(chat) {
    this.chat = chat;
    this.page = chat.page;
    this.played = 0;
  }

  async start() {
    await this.page.addInitScript(() => {
      /** What a test plays instead of the network. */
      window.EventSource = /** @type {any} */ (
        class extends EventTarget {
          constructor() {
            super();
            /** @type {any} */ (window).played = this;
          }

          close() {}
        }
      );
    });
    const html = `<article class="question" aria-label="Question"><p dir="auto">${QUESTION}</p></article>
      <article class="answer" aria-label="Answer" data-run="recorded-0"><div class="body"></div></article>`;
    await this.page.route("**/api/send", (route) =>
      route.fulfill({ json: { outcome: "started", conversation: "recorded", title: "Waves", run: "recorded-0", html } }),
    );
    // The server knows no such conversation.
    await this.page.route("**/api/check", (route) => route.fulfill({ json: { words: "" } }));
    await this.chat.open(10);
    await this.chat.ask(QUESTION);
    await expect(this.chat.answer).toBeAttached();
  }

  /**
   * Plays up to so many events, each in a frame of its own.
   * @param {number} end
   * @returns {Promise<number[]>} how many milliseconds the page's scripts took for each
   */
  async play(end = EVENTS.length) {
    const events = EVENTS.slice(this.played, end);
    this.played = end;
    return this.page.evaluate(async (events) => {
      const taken = [];
      for (const [type, data] of events) {
        await new Promise(requestAnimationFrame);
        const begun = performance.now();
        /** @type {any} */ (window).played.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }));
        taken.push(performance.now() - begun);
      }
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      return taken;
    }, events);
  }

  /** Selects the text of the first element. @param {string} selector */
  async select(selector) {
    return this.page.evaluate((selector) => {
      const element = /** @type {Element} */ (document.querySelector(selector));
      getSelection()?.selectAllChildren(element);
      return String(getSelection());
    }, selector);
  }

  async selection() {
    return this.page.evaluate(() => String(getSelection()));
  }
}

/** @type {typeof test.extend<{ player: Player }>} */
const extend = test.extend;
const streamed = extend({
  player: async ({ chat }, use) => {
    const player = new Player(chat);
    await player.start();
    await use(player);
  },
});

streamed("what is settled stays the very same nodes to the end", async ({ player, page }) => {
  await player.play(IN_CODE);
  const nodes = await page.evaluateHandle(() => [...document.querySelectorAll(".prose > *, .prose pre, .prose math")]);
  await player.play();
  await expect(player.chat.metrics).toBeVisible();
  const gone = await nodes.evaluate((nodes) => nodes.filter((node) => !node.isConnected).map((node) => node.outerHTML));
  expect(gone).toEqual([]);
});

streamed("a selection in a settled paragraph stays to the end", async ({ player }) => {
  await player.play(IN_CODE);
  const selected = await player.select(".prose > p");
  expect(selected).toContain("A wave moves");
  await player.play(EVENTS.length - 1);
  expect(await player.selection()).toBe(selected);
});

streamed("a selection in code that grows stays to the end", async ({ player, page }) => {
  await player.play(IN_CODE);
  const selected = await page.evaluate(() => {
    const code = /** @type {Element} */ (document.querySelector(".prose pre code"));
    const range = document.createRange();
    range.setStart(code, 0);
    range.setEndAfter(/** @type {Element} */ (code.querySelector(".comment")));
    getSelection()?.removeAllRanges();
    getSelection()?.addRange(range);
    return String(getSelection());
  });
  expect(selected).toContain("from dataclasses");
  await player.play();
  await expect(player.chat.metrics).toBeVisible();
  expect(await player.selection()).toBe(selected);
});

streamed("an open block of code has its button, whose focus stays to the end", async ({ player, page }) => {
  await player.play(IN_CODE);
  const copy = page.getByRole("button", { name: "Copy" });
  await copy.focus();
  await player.play();
  await expect(player.chat.metrics).toBeVisible();
  await expect(copy).toHaveCount(1);
  await expect(copy).toBeFocused();
});

streamed("code stays where it was scrolled to", async ({ player, page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await player.play(until((html) => html.includes("could be told")));
  const code = page.locator(".prose pre");
  await code.evaluate((code) => (code.scrollLeft = 120));
  await player.play();
  await expect(player.chat.metrics).toBeVisible();
  expect(await code.evaluate((code) => code.scrollLeft)).toBe(120);
});

for (const [size, viewport] of Object.entries({
  desktop: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
})) {
  streamed(`nothing jumps while an answer grows and ends, ${size}`, async ({ player, page }) => {
    await page.setViewportSize(viewport);
    await page.evaluate(() => {
      /** @type {any} */ (window).shifted = 0;
      new PerformanceObserver((list) => {
        for (const { value, sources } of /** @type {any[]} */ (list.getEntries())) {
          // What has no node is the fade above the composer, which sticks there while the page scrolls under it.
          const nodes = sources.filter((/** @type {any} */ source) => source.node);
          /** @type {any} */ (window).shifted += nodes.length > 0 ? value : 0;
        }
      }).observe({ type: "layout-shift" });
    });
    await player.play(EVENTS.length - 1);
    const last = page.locator(".prose > :last-child");
    const before = await last.boundingBox();
    await player.play();
    await expect(player.chat.metrics).toBeVisible();
    const after = await last.boundingBox();
    expect(Math.abs((after?.y ?? 0) - (before?.y ?? 0))).toBeLessThan(40);
    const shifted = await page.evaluate(() => /** @type {any} */ (window).shifted);
    test.info().annotations.push({ type: "layout shift", description: String(shifted) });
    expect(shifted).toBeLessThan(0.02);
  });
}

streamed("text from right to left is set so, on both sides and in the field", async ({ player, page }) => {
  await player.play();
  const direction = (/** @type {import("@playwright/test").Locator} */ locator) =>
    locator.evaluate((element) => getComputedStyle(element).direction);
  const { answer, questions, message } = player.chat;
  expect(await direction(questions.locator("p"))).toBe("rtl");
  await message.fill(QUESTION);
  expect(await direction(message)).toBe("rtl");
  for (const rtl of ["blockquote", "blockquote > p", "blockquote > ul", "blockquote li >> nth=0"]) {
    expect(await direction(answer.locator(rtl)), rtl).toBe("rtl");
  }
  for (const ltr of ["h3", ".prose > p >> nth=0", ".table", "pre", "code >> nth=0", "math >> nth=0"]) {
    expect(await direction(answer.locator(ltr)), ltr).toBe("ltr");
  }
  const last = answer.locator("p", { hasText: "מימין" });
  expect(await direction(last)).toBe("rtl");
  expect(await direction(last.locator("code"))).toBe("ltr");
});

streamed("a footnote and its reference lead to each other", async ({ player, page }) => {
  await player.play();
  await page.getByRole("link", { name: "Footnote 1" }).click();
  await expect(page.locator(".footnote:target")).toContainText("In air");
  await page.getByRole("link", { name: "Back to reference 1" }).click();
  await expect(page.locator("sup a:target")).toHaveText("1");
});

streamed("an answer grows at the end of 1,000 messages without long work of ours", async ({ player, page }) => {
  await player.play();
  await page.evaluate(() => {
    const turn = [...document.querySelectorAll("#log > .question, #log > .answer")];
    const log = /** @type {Element} */ (document.querySelector("#log"));
    for (let copies = 0; copies < 500; copies += 1) {
      log.prepend(...turn.map((article) => article.cloneNode(true)));
    }
  });
  player.played = 0;
  await player.chat.ask(QUESTION);
  await expect(player.chat.answers).toHaveCount(502);
  const taken = await player.play();
  taken.sort((one, other) => one - other);
  const [median, longest] = [taken[Math.floor(taken.length / 2)], taken[taken.length - 1]];
  test.info().annotations.push({ type: "scripts", description: `median ${median} ms, longest ${longest} ms` });
  expect(median).toBeLessThan(16);
});
