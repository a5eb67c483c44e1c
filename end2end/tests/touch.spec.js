// @ts-check
// A phone: the settings are in a drawer, and a field that is typed into raises the keyboard over the answer.
import { expect, test } from "./chat_page.js";

test.use({
  viewport: { width: 390, height: 800 },
  hasTouch: true,
  isMobile: true,
  tolerated: [/status of 422/],
});

for (const price of ["", "-1"]) {
  test(`a price of \`${price}\` in the closed drawer is complained about`, async ({
    chat,
    page,
  }) => {
    await page.goto("/");
    await page.getByRole("button", { name: "Settings" }).tap();
    await chat.usdPerHour.fill(price);
    await page.keyboard.press("Escape");
    await expect(chat.usdPerHour).toBeHidden();
    await chat.message.fill("Hello.");
    await chat.send.tap();
    await expect(page.getByRole("alert").first()).toContainText("$ per hour");
    await expect(chat.message).toHaveValue("Hello.");
    await expect(chat.questions).toHaveCount(0);
  });
}

test("sending and the end of an answer do not raise the keyboard", async ({
  chat,
  page,
}) => {
  await page.goto("/");
  await chat.message.fill("Say hello.");
  await chat.send.tap();
  await expect(chat.questions).toHaveCount(1);
  await expect(chat.message).not.toBeFocused();
  await expect(chat.metrics).toBeVisible();
  await expect(chat.message).not.toBeFocused();
});

test("text is set in its own direction", async ({ chat, page }) => {
  await page.goto("/");
  await chat.message.fill("مرحبا، كيف الحال؟");
  await expect(chat.message).toHaveCSS("direction", "rtl");
  await chat.send.tap();
  const question = chat.questions.locator("p");
  await expect(question).toHaveCSS("direction", "rtl");
  await chat.stop.tap();
  await expect(chat.metrics).toBeVisible();
});
