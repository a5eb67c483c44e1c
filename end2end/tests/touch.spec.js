// @ts-check
// A phone: the settings are in a drawer, and a field that is typed into raises the keyboard over the answer.
import { expect, test } from "./chat_page.js";
import { darkness } from "./pixels.js";

test.use({
  viewport: { width: 390, height: 800 },
  hasTouch: true,
  isMobile: true,
  tolerated: [/status of 422/],
});

for (const price of ["", "-1"]) {
  test(`a price of \`${price}\` in the closed drawer opens it and says so`, async ({
    chat,
    page,
  }) => {
    await page.goto("/");
    await page.getByRole("button", { name: "Chats and settings" }).tap();
    await chat.setPrice(price);
    await page.getByText("More settings").tap();
    await page.keyboard.press("Escape");
    await expect(page.locator("#sidebar")).toBeHidden();
    await chat.message.fill("Hello.");
    await chat.send.tap();
    await expect(chat.complaint).toContainText("$ per hour");
    await expect(chat.usdPerHour).toBeFocused();
    await expect(page.locator("#wrong-usd_per_hour")).toBeInViewport();
    await expect(chat.message).toHaveValue("Hello.");
    await expect(chat.questions).toHaveCount(0);
    await chat.usdPerHour.fill("1");
    await expect(chat.usdPerHour).not.toHaveAttribute("aria-invalid");
    await expect(chat.complaint).toBeEmpty();
  });
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(`JavaScript ${javaScriptEnabled ? "on" : "off"}`, () => {
    test.use({ javaScriptEnabled });

    test("the drawer opens on the side of its button and closes by its own", async ({
      page,
    }) => {
      await page.goto("/");
      const drawer = page.locator("#sidebar");
      const button = page.getByRole("button", { name: "Chats and settings" });
      await button.tap();
      await expect(drawer).toBeVisible();
      const box = await drawer.boundingBox();
      expect(box?.x).toBe(0);
      expect((await button.boundingBox())?.x).toBeLessThan(50);
      await drawer.getByRole("button", { name: "Close" }).tap();
      await expect(drawer).toBeHidden();
    });

    test("figures take one line of at most 60 pixels", async ({ chat, page }) => {
      await page.goto("/");
      await page.getByRole("button", { name: "A short answer" }).tap({ noWaitAfter: true });
      await expect(chat.metrics).toBeVisible();
      const box = await chat.metrics.boundingBox();
      expect(box?.height).toBeLessThanOrEqual(60);
      await chat.metrics.getByText("More").tap();
      await expect(chat.metrics.getByText("Prompt tokens")).toBeVisible();
    });
  });
}

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("a complaint about a field in the drawer has a button that leads there", async ({
    chat,
    page,
  }) => {
    await page.goto("/");
    await page.getByRole("button", { name: "Chats and settings" }).tap();
    await chat.setPrice("-1");
    await page.getByRole("button", { name: "Close" }).tap();
    await chat.message.fill("Hello.");
    await chat.send.tap();
    await expect(chat.complaint).toContainText("$ per hour");
    await page.getByRole("button", { name: "Open settings" }).tap();
    await expect(chat.usdPerHour).toBeVisible();
    await expect(chat.usdPerHour).toHaveAttribute("aria-invalid", "true");
  });
});

test.describe("a drawer that is longer than the screen", () => {
  test.use({ viewport: { width: 390, height: 400 } });

  test("scrolls to its foot, with a shade where it goes on", async ({ page }) => {
    await page.goto("/");
    await page.getByRole("button", { name: "Chats and settings" }).tap();
    const drawer = page.locator("#sidebar");
    const foot = page.getByLabel("Colours");
    await expect(foot).not.toBeInViewport();
    const shaded = await darkness(drawer, -3);
    await drawer.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await expect(foot).toBeInViewport();
    expect(await darkness(drawer, -3)).toBeLessThan(shaded - 5);
  });
});

test("the page, sending and the end of an answer do not raise the keyboard", async ({
  chat,
  page,
}) => {
  await page.goto("/");
  await expect(chat.message).not.toBeFocused();
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
  await expect(chat.metrics).toBeVisible();
});
