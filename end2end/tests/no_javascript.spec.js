// @ts-check
import { LONG, expect, test } from "./chat_page.js";

test.use({ javaScriptEnabled: false, tolerated: [/status of 422/] });

test("without JavaScript an answer streams into the page", async ({ chat }) => {
  await chat.open(1000);
  await chat.ask(LONG);
  expect(await chat.statesUntilEnd()).toBeGreaterThan(3);
  await expect(chat.answers).toHaveCount(1);
  expect(await chat.figure("Decode speed")).toMatch(/tokens\/s$/);
});

test("without JavaScript Enter in a setting sends and New chat keeps settings", async ({
  chat,
}) => {
  await chat.open(10);
  await chat.message.fill("Hello.");
  await chat.openMoreSettings();
  await chat.usdPerHour.press("Enter", { noWaitAfter: true });
  await expect(chat.metrics).toBeVisible();
  await chat.setPrice("2.5");
  await chat.newChat.click();
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
  await chat.setPrice("-1");
  await chat.message.fill("Keep me.");
  await chat.send.click();
  await expect(page.getByRole("alert").first()).toContainText("$ per hour");
  await expect(chat.message).toHaveValue("Keep me.");
  await expect(page.locator("#wrong-usd_per_hour")).toContainText("$ per hour");
  await chat.usdPerHour.fill("1");
  await chat.maxTokens.fill("10");
  await chat.send.click({ noWaitAfter: true });
  await expect(chat.questions).toHaveText("Keep me.");
  await expect(chat.metrics).toBeVisible();
});

test("without JavaScript one press asks a question to begin with", async ({
  chat,
  page,
}) => {
  await chat.open(10);
  await page
    .getByRole("button", { name: "A short answer" })
    .click({ noWaitAfter: true });
  await expect(chat.questions).toHaveText(/Why is the sky blue\?/);
  await expect(chat.metrics).toBeVisible();
});

test("without JavaScript nothing is offered that needs it", async ({
  page,
}) => {
  await page.goto("/");
  await page.getByText("More settings").click();
  for (const name of ["Keys", "Jump to latest"]) {
    await expect(page.getByRole("button", { name })).toBeHidden();
  }
  await expect(page.getByRole("combobox")).toHaveAccessibleName("Preset");
  await expect(page.getByText("Known prices: r8g.4xlarge $0.94256")).toBeVisible();
});
