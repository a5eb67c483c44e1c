// @ts-check
import { AxeBuilder } from "@axe-core/playwright";
import { expect, test } from "./chat_page.js";
import { testOf } from "./own_server.js";

/** @param {import("@playwright/test").Page} page */
const outlook = (page) => page.locator("#outlook");

test("what a message comes to is told as it is typed", async ({ chat, page }) => {
  await chat.open(20);
  await chat.ask("Why is the sky blue?");
  await expect(chat.metrics).toBeVisible();
  await chat.message.fill("And at night?");
  await expect(outlook(page)).toContainText(/Prompt: \d+ tokens, \d+ cached · first token after about/);
  await expect(outlook(page)).toContainText(/about .+ for \d+ tokens? · \$/);
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations).toEqual([]);
  await chat.message.fill("");
  await expect(outlook(page)).toBeEmpty();
});

test.describe("what changes without a key", () => {
  test.use({ tolerated: [/status of 503/] });

  test("files that are counted and dropped count, and what is not known of a message is not told of it", async ({
    chat,
    page,
  }) => {
    const tokens = async () => {
      const told = (await outlook(page).textContent()) ?? "";
      return Number(/Prompt: ([\d,]+) tokens/.exec(told)?.[1].replaceAll(",", ""));
    };
    await chat.open(20);
    await chat.message.fill("What is this?");
    await expect(outlook(page)).toContainText(/Prompt: \d+ tokens/);
    const before = await tokens();
    const buffer = Buffer.from("The lighthouse keeper is called Ada.\n");
    await page.getByLabel("Attach files").setInputFiles({ name: "notes.txt", mimeType: "text/plain", buffer });
    await expect.poll(tokens).toBeGreaterThan(before);
    await page.getByRole("button", { name: "Remove notes.txt" }).click();
    await expect.poll(tokens).toBe(before);
    await page.route("/api/check", (route) => route.fulfill({ status: 503 }));
    await chat.message.fill("What is another?");
    await expect(outlook(page)).toBeEmpty();
  });
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("a button tells it and keeps what is typed", async ({ chat, page }) => {
    await chat.open(20);
    await chat.message.fill("Why is the sky blue?");
    await page.getByRole("button", { name: "Check" }).click();
    await expect(outlook(page)).toContainText(/Prompt: \d+ tokens/);
    await expect(chat.message).toHaveValue("Why is the sky blue?");
    await expect(chat.questions).toHaveCount(0);
  });
});

testOf("--keep-alive", "1")("a model that left memory comes back for a question", async ({ chat, page }) => {
  await chat.open(10);
  // One that nobody has asked since the start stays longer.
  await chat.ask("Hello.");
  await expect(chat.metrics).toBeVisible();
  const inMemory = async () => (await (await page.request.get("/api/ps")).json()).models;
  await expect.poll(inMemory).toEqual([]);
  await chat.message.fill("Are you there?");
  await expect(outlook(page)).toContainText("The model is not in memory now");
  await chat.ask("Are you there?");
  await expect(chat.answers).toHaveCount(2);
  await expect(chat.metrics).toBeVisible();
});
