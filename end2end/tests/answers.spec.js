// @ts-check
import { ChatPage, LONG, expect, number, test } from "./chat_page.js";

test("a question is answered piece by piece, with what it took and cost", async ({
  chat,
}) => {
  await chat.open(250);
  await chat.setPrice("3.6");
  const record = await chat.record();
  await chat.ask(LONG);
  await expect(chat.questions).toHaveText(/lighthouse keeper/);
  await expect(chat.metrics).toBeVisible();

  const first = number(await chat.figure("Time to first token"));
  const total = number(await chat.figure("Total time"));
  const speed = number(await chat.figure("Decode speed"));
  const tokens = number(await chat.figure("Output tokens"));
  expect(first).toBeGreaterThan(0);
  expect(total).toBeGreaterThan(first);
  // The README's formulas at $0.001 a second; the page shows three digits of each figure.
  /** @type {(found: number, expected: number) => number} */
  const error = (found, expected) => Math.abs(found / expected - 1);
  expect(error(speed, (tokens - 1) / (total - first))).toBeLessThan(0.1);
  const states = await record.jsonValue();
  expect(states.length).toBeGreaterThan(5);
  // Held back anywhere, all pieces would come at the end.
  const spread = states[states.length - 1].at - states[0].at;
  expect(spread).toBeGreaterThan((total - first) / 2);
  const perMillion = number(await chat.figure("Cost per million tokens"));
  expect(error(perMillion, (total / tokens) * 1000)).toBeLessThan(0.02);
  const decoding = number(await chat.figure("Decoding alone, per million tokens"));
  expect(error(decoding, 1000 / speed)).toBeLessThan(0.02);
  const cost = number(await chat.figure("Total cost"));
  expect(error(cost, total / 1000)).toBeLessThan(0.02);
  expect(number(await chat.figure("Prompt tokens"))).toBeGreaterThan(10);
});

test("the next question is asked with the conversation before it", async ({
  chat,
}) => {
  await chat.open(30);
  await chat.ask("My name is Ada.");
  await expect(chat.metrics).toBeVisible();
  const before = number(await chat.figure("Prompt tokens"));
  await chat.ask("What is my name?");
  await expect(chat.questions).toHaveCount(2);
  await expect(chat.answers).toHaveCount(2);
  await expect(chat.metrics).toBeVisible();
  const after = number(await chat.figure("Prompt tokens"));
  expect(after).toBeGreaterThan(before + 30);
});

test("an answer in company shows its share of the cost and what was cached", async ({
  chat,
}) => {
  await chat.askInCompany();
  expect(await chat.figure("Prompt tokens")).toMatch(/, \d+ of them cached$/);
  expect(await chat.figure("Computed beside")).toMatch(/ on average$/);
  const share = await chat.figure("Share of the cost");
  expect(share).toMatch(/^\$0\.\d+, alone about \$0\.\d+$/);
  expect(number(share)).toBeLessThan(number(await chat.figure("Total cost")));
});

test("Stop ends the answer and keeps its text", async ({ chat }) => {
  await chat.open(1000);
  await chat.ask(LONG);
  const partial = await chat.partial(60);
  await chat.stop.click();
  await expect(chat.metrics).toBeVisible();
  await expect(chat.answer).toContainText(partial.slice(0, 30));
  await expect(chat.answer).toContainText("Stopped");
  expect(number(await chat.figure("Output tokens"))).toBeLessThan(1000);
  await expect(chat.send).toBeVisible();
});

test("a reload in mid-answer goes on with the same answer", async ({
  chat,
  page,
}) => {
  await chat.open(200);
  await chat.ask(LONG);
  const start = (await chat.partial(60)).slice(0, 30);
  await page.reload({ waitUntil: "commit" });
  await expect(chat.answer).toContainText(start);
  await expect(chat.metrics).toBeVisible();
  await expect(chat.answers).toHaveCount(1);
  expect((await chat.answer.innerText()).split(start)).toHaveLength(2);
});

test("a second tab shows the answer that the first one asked for", async ({
  chat,
  context,
  page,
}) => {
  await chat.open(200);
  await chat.ask(LONG);
  await chat.partial(60);
  const other = new ChatPage(await context.newPage());
  await other.page.goto(page.url(), { waitUntil: "commit" });
  await expect(other.metrics).toBeVisible();
  await expect(chat.metrics).toBeVisible();
  expect(await other.answer.innerText()).toBe(await chat.answer.innerText());
});

test("Max response tokens cuts an answer off and says so", async ({ chat }) => {
  await chat.open(10);
  await chat.ask(LONG);
  await expect(chat.metrics).toBeVisible();
  expect(await chat.figure("Output tokens")).toBe("10");
  await expect(chat.answer).toContainText("Cut off");
});

test("Enter sends and Shift+Enter breaks the line", async ({ chat, page }) => {
  await chat.open(10);
  await chat.message.focus();
  await page.keyboard.type("Say");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("hello.");
  await expect(chat.message).toHaveValue("Say\nhello.");
  await page.keyboard.press("Enter");
  await expect(chat.questions).toHaveCount(1);
  await expect(chat.message).toHaveValue("");
  await expect(chat.metrics).toBeVisible();
});

test("New chat begins a new conversation with what the settings show", async ({
  chat,
  page,
}) => {
  await chat.open(10);
  await chat.ask("Hello.");
  await expect(chat.metrics).toBeVisible();
  await expect(page).toHaveTitle("Hello. · Nibble");
  await chat.temperature.fill("0.7");
  await chat.setPrice("2.5");
  await chat.newChat.click();
  await expect(chat.questions).toHaveCount(0);
  await expect(page).toHaveTitle("Nibble");
  await expect(chat.temperature).toHaveValue("0.7");
  await expect(chat.maxTokens).toHaveValue("10");
  await expect(chat.usdPerHour).toHaveValue("2.5");
  await expect(chat.message).toBeEditable();
});

test("Enter in a setting sends the message and resets nothing", async ({
  chat,
}) => {
  await chat.open(10);
  await chat.message.fill("Hello.");
  await chat.openMoreSettings();
  await chat.usdPerHour.press("Enter");
  await expect(chat.questions).toHaveCount(1);
  await expect(chat.metrics).toBeVisible();
});
