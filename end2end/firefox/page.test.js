// @ts-check
// What people do most, in the other engine that they have: all else is tested in Chromium.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import puppeteer from "puppeteer-core";

const LONG = "Write a long story about a lighthouse keeper and the sea.";

/** @type {import("puppeteer-core").Browser} */
let browser;
/** What Firefox complains of. @type {string[]} */
let complaints = [];

afterEach(() => browser.close());

/**
 * The page in a browser with these preferences.
 * @param {Record<string, unknown>} [preferences]
 */
async function open(preferences = {}) {
  browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: process.env.FIREFOX,
    extraPrefsFirefox: preferences,
  });
  const page = await browser.newPage();
  complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(process.env.NIBBLE_URL ?? "");
  return page;
}

/** @typedef {import("puppeteer-core").Page} Page */

/** Presses what is there now: an answer's nodes may be others in a moment. @param {Page} page @param {string} selector */
function press(page, selector) {
  return page.evaluate((selector) => {
    const button = document.querySelector(selector);
    if (!(button instanceof HTMLElement)) {
      throw new Error(`there is no ${selector}`);
    }
    button.click();
  }, selector);
}

/** @param {Page} page @param {string} selector */
function text(page, selector) {
  return page.evaluate(
    (selector) => [...document.querySelectorAll(selector)].at(-1)?.textContent ?? "",
    selector,
  );
}

/** Waits until what is asked of the page holds. @param {() => Promise<unknown>} holds */
async function until(holds) {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `after a minute still not: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Asks, and watches the answer grow. @param {Page} page */
async function watch(page) {
  await page.evaluate((question) => {
    const message = /** @type {HTMLTextAreaElement} */ (document.querySelector("#message"));
    message.value = question;
  }, LONG);
  await press(page, ".send");
  const lengths = new Set();
  await until(async () => lengths.add((await text(page, ".answer .body")).length).size > 4);
}

test("an answer streams, is stopped by Escape and asked again", async () => {
  const page = await open();
  await watch(page);
  await page.keyboard.press("Escape");
  await until(() => text(page, ".answer .metrics"));
  assert.match(await text(page, ".answer .outcome"), /Stopped/);
  await press(page, ".answer .acts [formaction*=again]");
  await until(() => text(page, "[aria-label='Answer 2 of 2']"));
  await until(() => text(page, ".answer .metrics"));
  assert.deepEqual(complaints, []);
});

test("without scripts an answer streams into the page and is stopped", async () => {
  const page = await open();
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    void (request.url().endsWith(".js") ? request.abort() : request.continue());
  });
  await page.reload();
  await watch(page);
  await press(page, ".stop");
  await until(() => text(page, ".answer .metrics"));
  assert.match(await text(page, ".answer .outcome"), /Stopped/);
});

test("a dark phone has all of the page within its width", async () => {
  const page = await open({ "ui.systemUsesDarkTheme": 1 });
  await page.setViewport({ width: 390, height: 844 });
  await press(page, "[popovertarget=sidebar]");
  const { dark, width, sidebar } = await page.evaluate(() => ({
    dark: getComputedStyle(document.body).backgroundColor,
    width: document.documentElement.scrollWidth,
    sidebar: document.querySelector("#sidebar")?.matches(":popover-open"),
  }));
  assert.ok(Math.max(...(dark.match(/\d+/g) ?? ["255"]).slice(0, 3).map(Number)) < 64, dark);
  assert.ok(width <= 390, `the page is ${width} pixels wide`);
  assert.ok(sidebar, "the sidebar opens");
  assert.deepEqual(complaints, []);
});
