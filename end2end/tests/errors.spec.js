// @ts-check
import { expect, test } from "./chat_page.js";

test.use({ tolerated: [/Failed to load resource/] });

test("a message that is too long is refused and kept", async ({
  chat,
  page,
}) => {
  await chat.open(10);
  // Two bytes a letter: within the field's limit of letters, beyond the server's of bytes.
  const long = "é".repeat(20_000);
  await chat.ask(long);
  await expect(page.getByRole("alert").first()).toContainText(/message/i);
  await expect(chat.message).toHaveValue(long);
});

test("a server that cannot be reached is told, and nothing typed is lost", async ({
  chat,
  context,
  page,
}) => {
  await chat.open(10);
  await context.setOffline(true);
  await chat.ask("Are you there?");
  await expect(page.getByRole("alert").first()).not.toBeEmpty();
  await expect(chat.message).toHaveValue("Are you there?");
  await context.setOffline(false);
  await chat.send.click();
  await expect(chat.metrics).toBeVisible();
});

test("a conversation that is gone is told", async ({ page }) => {
  const response = await page.goto(`/c/${"0".repeat(32)}`);
  expect(response?.status()).toBe(404);
  await expect(page.getByText("This conversation is gone")).toBeVisible();
});
