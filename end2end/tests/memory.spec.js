// @ts-check
// A chat that outgrows the model's context, which is 512 tokens here; and settings under names.
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { AxeBuilder } from "@axe-core/playwright";

import { ChatPage, test as base, expect } from "./chat_page.js";

const CONTEXT = "512";
const LINE = "The model no longer sees what stands above";
const FORGET = "Go on without the oldest turns";

/** About so many tokens of words that the model is not to answer at length. @param {number} words */
const long = (words) => `Say yes. ${"The sea is wide and deep. ".repeat(words / 6)}`;

const test = /** @type {typeof base.extend<{}, { small: string }>} */ (base.extend)({
  small: [
    async ({}, use) => {
      const port = await freePort();
      const program = process.env.NIBBLE_BINARY ?? "../target/release/nibble";
      const options = ["serve", "--database", "memory", "--context", CONTEXT, "--addr", `127.0.0.1:${port}`];
      const server = spawn(program, options, { stdio: ["ignore", "ignore", "inherit"] });
      const url = `http://127.0.0.1:${port}`;
      await expect
        .poll(() => fetch(`${url}/health`).then((response) => response.ok, () => false))
        .toBe(true);
      await use(url);
      server.kill();
    },
    { scope: "worker" },
  ],
  baseURL: async ({ small }, use) => use(small),
});

test.use({ tolerated: [/status of 422/] });
test.skip(Boolean(process.env.NIBBLE_URL), "a site has the context that it has");

/** Asks questions until there is no room for another, and asks that one. @param {ChatPage} chat */
async function fill(chat) {
  await chat.open(10);
  for (let asked = 0; asked < 3; asked++) {
    await chat.ask(long(120));
    await expect(chat.answers).toHaveCount(asked + 1);
    await expect(chat.metrics).toBeVisible();
  }
  await chat.ask(`And then? ${long(120)}`);
  await expect(chat.complaint).toContainText("longer than the model’s context");
}

/** @param {import("@playwright/test").Page} page */
async function expectNoViolations(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target)}`)).toEqual([]);
}

test("the meter comes at one half of the context and moves with each answer", async ({ chat, page }) => {
  const meter = page.getByRole("meter", { name: /tokens$/ });
  await chat.open(10);
  await chat.ask("Say yes.");
  await expect(chat.metrics).toBeVisible();
  await expect(meter).toHaveCount(0);
  await chat.ask(long(240));
  await expect(meter).toBeVisible();
  const before = Number(await meter.getAttribute("value"));
  expect(before).toBeGreaterThanOrEqual(256);
  await expect(page.getByText(`Context: ${before} of 512 tokens`)).toBeVisible();
  await chat.ask(long(120));
  await expect(page.getByText(/^Context nearly full: /)).toBeVisible();
  expect(Number(await meter.getAttribute("value"))).toBeGreaterThan(before + 100);
  await page.reload();
  await expect(meter).toBeVisible();
});

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("a question without room can be asked in a new chat", async ({ chat, page }) => {
      await fill(chat);
      const address = page.url();
      await expect(chat.message).toHaveValue(/^And then\?/);
      await page.getByRole("button", { name: "Ask in a new chat" }).click();
      await expect(page).not.toHaveURL(address);
      await expect(chat.metrics).toBeVisible();
      await expect(chat.complaint).toBeEmpty();
      await expect(chat.message).toHaveValue("");
      await page.reload();
      await expect(chat.questions).toHaveCount(1);
      await expect(chat.questions).toContainText("And then?");
    });

    test("a chat goes on without its oldest turns, and says which", async ({ chat, page }) => {
      await fill(chat);
      await page.getByRole("button", { name: FORGET }).click();
      await expect(chat.answers).toHaveCount(4);
      await expect(chat.metrics).toBeVisible();
      await expect(page.getByText(LINE)).toHaveCount(1);
      await expect(chat.complaint).toBeEmpty();
      for (let asked = 5; asked < 8; asked++) {
        await chat.ask(long(120));
        await expect(chat.answers).toHaveCount(asked);
        await expect(chat.metrics).toBeVisible();
        await expect(page.getByText(LINE)).toHaveCount(1);
      }
      const order = () =>
        page.locator("#log > :is(.question, #forgotten)").evaluateAll((nodes) => nodes.map(({ id }) => id));
      const shown = await order();
      await page.reload();
      const loaded = await order();
      expect(loaded).toEqual(shown);
      expect(loaded.indexOf("forgotten")).toBeGreaterThan(3);
      const file = await page.request.get(`${page.url().split("#")[0]}/export.md`);
      expect((await file.text()).match(/(The sea is wide and deep\. ){19}/g)).toHaveLength(7);
    });

    test("an answer that filled the context goes on without the oldest turns", async ({ chat, page }) => {
      await chat.open(10);
      await chat.ask(long(240));
      await expect(chat.metrics).toBeVisible();
      await chat.maxTokens.fill("1000");
      await chat.ask("Write a very long story about a lighthouse keeper and the sea, with many chapters.");
      await expect(chat.answers).toHaveCount(2);
      await expect(chat.answer.getByText("Cut off: the model’s context is full.")).toBeVisible();
      const text = await chat.answer.locator(".prose").last().innerText();
      await chat.answer.getByRole("button", { name: FORGET }).click({ noWaitAfter: true });
      await expect(page.getByText(LINE)).toBeVisible();
      await expect(chat.metrics).toBeVisible();
      const whole = await chat.answer.locator(".prose").last().innerText();
      expect(whole.length).toBeGreaterThan(text.length);
      expect(whole.replace(/\s+/g, " ")).toContain(text.replace(/\s+/g, " ").slice(0, 200));
    });

    test("settings are saved under a name, used and deleted", async ({ chat, page }) => {
      const preset = page.getByLabel("Preset", { exact: true });
      const prompt = page.getByLabel("System prompt");
      await page.goto("/");
      await chat.message.fill("Half a thou");
      await prompt.fill("Speak like a <b>pirate</b>.");
      await page.getByText("Save as a preset").click();
      await page.getByLabel("Name of the preset").fill("Pirate & co");
      await page.getByRole("button", { name: "Save" }).click();
      await expect(preset).toContainText("Pirate & co");
      await preset.selectOption("Short answers");
      await page.getByRole("button", { name: "Use", exact: true }).click();
      await expect(prompt).toHaveValue(/short sentences/);
      await expect(chat.maxTokens).toHaveValue("100");
      await preset.selectOption("Pirate & co");
      await page.getByRole("button", { name: "Use", exact: true }).click();
      await expect(prompt).toHaveValue("Speak like a <b>pirate</b>.");
      await expect(chat.message).toHaveValue("Half a thou");
      if (javaScriptEnabled) {
        await page.reload();
        await expect(prompt).toHaveValue("Speak like a <b>pirate</b>.");
        await page.getByText("Save as a preset").click();
        await page.getByLabel("Name of the preset").press("Enter");
        await expect(page.getByText("The name of the preset is empty.").first()).toBeVisible();
        await expect(chat.message).toHaveValue("Half a thou");
      }
      const remove = page.locator("#delete-preset");
      await preset.selectOption("Short answers");
      await expect(remove).toBeHidden();
      await preset.selectOption("Pirate & co");
      await remove.click();
      await expect(preset).not.toContainText("Pirate & co");
    });
  });
}

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  for (const width of [390, 1280]) {
    test(`a full context passes the audit: ${colorScheme}, ${width} px`, async ({ chat, page }) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width: 1280, height: 800 });
      await page.goto("/");
      await fill(chat);
      await page.setViewportSize({ width, height: 800 });
      await expectNoViolations(page);
      await page.getByRole("button", { name: FORGET }).click();
      await expect(page.getByText(LINE)).toBeVisible();
      await expect(chat.answers).toHaveCount(4);
      await expect(chat.metrics).toBeVisible();
      await page.getByText(LINE).scrollIntoViewIfNeeded();
      await expectNoViolations(page);
      if (width < 992) {
        await page.getByRole("button", { name: "Chats and settings" }).click();
      }
      await page.getByText("Save as a preset").click();
      await page.getByLabel("Name of the preset").scrollIntoViewIfNeeded();
      await expectNoViolations(page);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      expect(overflow).toBeLessThanOrEqual(0);
    });
  }
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" ? (address?.port ?? 0) : 0));
    });
  });
}
