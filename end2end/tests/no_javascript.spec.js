// @ts-check
import { LONG, expect, test } from "./chat_page.js";

test.use({ javaScriptEnabled: false, tolerated: [/status of 422/] });

test("without JavaScript an answer streams into the page", async ({ chat }) => {
  await chat.open(400);
  await chat.ask(LONG);
  expect(await chat.statesUntilEnd()).toBeGreaterThan(3);
  await expect(chat.answers).toHaveCount(1);
  expect(await chat.figure("Decode speed")).toMatch(/tokens\/s$/);
});

test("without JavaScript Enter in a setting sends and Reset chat keeps settings", async ({
  chat,
  page,
}) => {
  await chat.open(10);
  await chat.message.fill("Hello.");
  await chat.usdPerHour.press("Enter", { noWaitAfter: true });
  await expect(chat.metrics).toBeVisible();
  await chat.usdPerHour.fill("2.5");
  await page.getByRole("button", { name: "Reset chat" }).click();
  await expect(chat.questions).toHaveCount(0);
  await expect(chat.usdPerHour).toHaveValue("2.5");
});

test("without JavaScript an answer in company shows its share of the cost", async ({
  chat,
}) => {
  await chat.askInCompany();
  expect(await chat.figure("Computed beside")).toMatch(/ on average$/);
  expect(await chat.figure("Share of the cost")).toMatch(/, alone about \$/);
});

test("without JavaScript Stop and the next question work", async ({ chat }) => {
  await chat.open(1000);
  await chat.ask(LONG);
  await chat.partial(60);
  await chat.stop.click({ noWaitAfter: true });
  await expect(chat.metrics).toBeVisible();
  await expect(chat.answer).toContainText("Stopped");
  await chat.maxTokens.fill("10");
  await chat.ask("Thank you.");
  await expect(chat.questions).toHaveCount(2);
  await expect(chat.metrics).toBeVisible();
});

test("without JavaScript a refused message is shown again with its reason", async ({
  chat,
  page,
}) => {
  await page.goto("/");
  await chat.usdPerHour.fill("-1");
  await chat.message.fill("Keep me.");
  await chat.send.click();
  await expect(page.getByRole("alert").first()).toContainText("$ per hour");
  await expect(chat.message).toHaveValue("Keep me.");
  await chat.usdPerHour.fill("1");
  await chat.maxTokens.fill("10");
  await chat.send.click({ noWaitAfter: true });
  await expect(chat.questions).toHaveText("Keep me.");
  await expect(chat.metrics).toBeVisible();
});
