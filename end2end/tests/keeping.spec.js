// @ts-check
// What outlasts a reload, a new chat and another tab.
import { ChatPage, expect, test } from "./chat_page.js";

for (const leave of ["reload", "the logo", "New chat"]) {
  test(`settings and what is typed survive ${leave}`, async ({ chat, page }) => {
    await page.goto("/");
    await chat.temperature.fill("0.7");
    await chat.setPrice("2.5");
    await chat.message.fill("Half a thou");
    if (leave === "reload") {
      await page.reload();
    } else if (leave === "the logo") {
      await page.getByRole("link", { name: "Nibble" }).click();
    } else {
      const loaded = page.waitForEvent("load");
      await chat.newChat.click();
      await loaded;
    }
    await expect(chat.message).toHaveValue("Half a thou");
    await expect(chat.temperature).toHaveValue("0.7");
    await expect(page.locator("output[for=temperature]")).toHaveText("0.7");
    await expect(chat.usdPerHour).toHaveValue("2.5");
  });
}

test("a message that was sent does not come back", async ({ chat, page }) => {
  await chat.open(10);
  await chat.ask("Hello.");
  await expect(chat.metrics).toBeVisible();
  await page.reload();
  await expect(chat.message).toHaveValue("");
});

test("a second tab takes the settings of the first, not the other way round", async ({
  chat,
  context,
  page,
}) => {
  await chat.open(10);
  await chat.ask("Hello.");
  await expect(chat.metrics).toBeVisible();
  const other = new ChatPage(await context.newPage());
  await other.page.goto(page.url());
  await expect(other.temperature).toHaveValue("0");
  await chat.temperature.fill("0.9");
  await expect(other.temperature).toHaveValue("0.9");
  await other.ask("And you?");
  await expect(other.metrics).toBeVisible();
  await expect(chat.temperature).toHaveValue("0.9");
  await page.reload();
  await expect(chat.temperature).toHaveValue("0.9");
});

test("a tab that comes back to a conversation has what another set meanwhile", async ({
  chat,
  context,
  page,
}) => {
  await chat.open(10);
  await chat.ask("Hello.");
  await expect(chat.metrics).toBeVisible();
  const other = new ChatPage(await context.newPage());
  await other.page.goto(page.url());
  await other.temperature.fill("0.3");
  await expect(chat.temperature).toHaveValue("0.3");
  await other.page.goto("/");
  await chat.temperature.fill("0.9");
  await other.page.goto(page.url());
  await expect(other.temperature).toHaveValue("0.9");
});

test("settings that were folded stay folded", async ({ chat, page }) => {
  await page.goto("/");
  await expect(chat.temperature).toBeVisible();
  await page.getByRole("heading", { name: "Settings" }).click();
  await expect(chat.temperature).toBeHidden();
  await page.reload();
  await expect(chat.temperature).toBeHidden();
  await page.getByRole("heading", { name: "Settings" }).click();
  await page.reload();
  await expect(chat.temperature).toBeVisible();
});

test("light or dark is a choice that stays", async ({ page }) => {
  const paper = () =>
    page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.goto("/");
  const light = await paper();
  await page.getByLabel("Colours").selectOption("Dark");
  const dark = await paper();
  expect(dark).not.toBe(light);
  await page.reload();
  expect(await paper()).toBe(dark);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.getByLabel("Colours").selectOption("Light");
  expect(await paper()).toBe(light);
  await page.getByLabel("Colours").selectOption("As the system");
  expect(await paper()).toBe(dark);
});
