// @ts-check
// The page around the conversation: what it offers and tells, and how it looks in unusual circumstances.
import { LONG, expect, test } from "./chat_page.js";

test("an empty page offers four beginnings, and one press asks", async ({
  chat,
  page,
}) => {
  await page.goto("/");
  await expect(chat.message).toBeFocused();
  await chat.open(10);
  const starters = page.getByRole("list", { name: "To begin with" });
  await expect(starters.getByRole("button")).toHaveCount(4);
  await chat.message.fill("Not yet.");
  await starters.getByRole("button", { name: "A short answer" }).click();
  await expect(chat.questions).toHaveText(/Why is the sky blue\?/);
  await expect(starters).toBeHidden();
  await expect(chat.metrics).toBeVisible();
  await expect(chat.message).toHaveValue("Not yet.");
});

test("Escape stops, Ctrl+Shift+O begins anew and ? lists the keys", async ({
  chat,
  page,
}) => {
  await chat.open(1000);
  await chat.ask(LONG);
  await chat.partial(60);
  await page.keyboard.press("Escape");
  await expect(chat.answer).toContainText("Stopped");
  const keys = page.getByRole("dialog", { name: "Keys" });
  await page.keyboard.type("Why?");
  await expect(chat.message).toHaveValue("Why?");
  await expect(keys).toBeHidden();
  await chat.message.blur();
  await page.keyboard.press("?");
  await expect(keys).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(keys).toBeHidden();
  await page.keyboard.press("Control+Shift+O");
  await expect(chat.questions).toHaveCount(0);
});

test("a button leads back to the latest", async ({ chat, page }) => {
  await page.setViewportSize({ width: 1280, height: 500 });
  await chat.open(300);
  const jump = page.getByRole("button", { name: "Jump to latest" });
  await chat.ask(LONG);
  await expect(chat.metrics).toBeVisible();
  await expect(jump).toBeHidden();
  await page.mouse.move(700, 200);
  await page.mouse.wheel(0, -2000);
  await expect(jump).toBeVisible();
  await jump.click();
  await expect(chat.metrics).toBeInViewport();
  await expect(jump).toBeHidden();
});

test("what is told of an answer's end goes again", async ({ chat, page }) => {
  await chat.open(10);
  await chat.ask("Hello.");
  const status = page.locator("#status");
  await expect(status).toHaveText(/^The answer (is complete|was cut off)\.$/);
  await expect(status).toBeEmpty({ timeout: 10_000 });
});

test("a complaint goes when its cause does", async ({ chat }) => {
  await chat.open(10);
  await chat.message.fill(" \n ");
  await chat.message.press("Enter");
  await expect(chat.complaint).toHaveText("The message is empty.");
  await expect(chat.message).toHaveAttribute("aria-invalid", "true");
  await chat.message.press("a");
  await expect(chat.complaint).toBeEmpty();
  await expect(chat.message).not.toHaveAttribute("aria-invalid");
});

test("a blank message is refused by the page itself", async ({ chat, page }) => {
  let sent = 0;
  await page.route("**/api/send", (route) => {
    sent += 1;
    return route.continue();
  });
  await page.goto("/");
  await chat.message.fill("   ");
  await chat.send.click();
  await expect(chat.complaint).toHaveText("The message is empty.");
  expect(sent).toBe(0);
});

test("a slow send shows that it is under way", async ({ chat, page }) => {
  await chat.open(10);
  await page.route("**/api/send", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await route.continue();
  });
  await chat.ask("Hello.");
  const sign = () =>
    page
      .locator(".send")
      .evaluate((send) => getComputedStyle(send, "::after").content);
  await expect.poll(sign).toContain("…");
  await expect(page.locator("#status")).toHaveText("Sending.");
  await expect(chat.metrics).toBeVisible();
  expect(await sign()).toBe("none");
});

test("on paper stand the conversation and its figures, and nothing to press", async ({
  chat,
  page,
}) => {
  await chat.open(30);
  await chat.ask(LONG);
  await expect(chat.metrics).toBeVisible();
  await page.emulateMedia({ media: "print" });
  await expect(chat.questions).toBeVisible();
  await expect(chat.metrics.locator(".line")).toBeVisible();
  await expect(page.getByRole("button")).toHaveCount(0);
  await expect(page.getByRole("textbox")).toHaveCount(0);
});

test("four times as large, the page leaves room to read", async ({
  chat,
  page,
}) => {
  await page.setViewportSize({ width: 320, height: 256 });
  await page.goto("/");
  await chat.ask(LONG);
  await expect(chat.metrics).toBeVisible();
  const covered = await page.evaluate(() => {
    const cover = (/** @type {string} */ selector) => {
      const box = document.querySelector(selector)?.getBoundingClientRect();
      return box ? Math.max(0, Math.min(box.bottom, 256) - Math.max(box.top, 0)) : 0;
    };
    document.querySelector(".answer")?.scrollIntoView({ block: "start" });
    return cover(".head") + cover(".dock");
  });
  expect(covered).toBeLessThan(80);
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - window.innerWidth,
  );
  expect(overflow).toBeLessThanOrEqual(0);
});

test.describe("in forced colours", () => {
  test.use({ contextOptions: { forcedColors: "active" } });

  test("focus, Stop, questions and complaints have shapes", async ({
    chat,
    page,
  }) => {
    await page.goto("/");
    await chat.message.focus();
    await expect(page.locator("#composer")).toHaveCSS("outline-style", "solid");
    await chat.message.fill(LONG);
    await chat.send.click();
    await expect(chat.questions).toHaveCSS("border-top-width", "1px");
    const edge = chat.questions;
    const [border, ground] = await edge.evaluate((element) => {
      const style = getComputedStyle(element);
      return [style.borderTopColor, style.backgroundColor];
    });
    expect(border).not.toBe(ground);
    const [symbol, button] = await chat.stop.evaluate((element) => [
      getComputedStyle(element, "::before").backgroundColor,
      getComputedStyle(element).backgroundColor,
    ]);
    expect(symbol).not.toBe(button);
    await chat.stop.click();
    await expect(chat.metrics).toBeVisible();
    await chat.send.click();
    await expect(chat.complaint).toHaveCSS("border-top-width", "2px");
  });
});

test("a question that comes early waits in sight, can be withdrawn, and is answered next", async ({ chat, page }) => {
  await chat.open(1000);
  await chat.ask(LONG);
  await expect(chat.questions).toHaveCount(1);
  for (const [count, question] of [[2, "And mountains?"], [3, "And deserts?"]]) {
    await chat.message.fill(String(question));
    await chat.message.press("Enter");
    await expect(chat.questions).toHaveCount(Number(count));
  }
  const withdraw = page.getByRole("button", { name: "Withdraw" });
  await expect(withdraw).toHaveCount(2);
  await withdraw.last().click();
  await expect(chat.questions).toHaveCount(2);
  await chat.stop.click();
  await expect(page.locator(".answer .final")).toHaveCount(2);
  await page.reload();
  await expect(chat.questions).toHaveCount(2);
});

test("an answer is given again, a question edited, and each branch shown", async ({ chat, page }) => {
  await chat.open(10);
  await chat.ask("Name a river.");
  await expect(chat.metrics).toBeVisible();
  await page.locator(".answer .acts").getByRole("button", { name: "Again" }).click();
  await expect(page.getByRole("group", { name: "Answer 2 of 2" })).toBeVisible();
  await page.getByRole("button", { name: "Answer before" }).click();
  await expect(page.getByRole("group", { name: "Answer 1 of 2" })).toBeVisible();
  await page.getByText("Edit", { exact: true }).click();
  await page.getByRole("textbox", { name: "The question, edited" }).fill("Name a lake.");
  await page.getByRole("button", { name: "Ask instead" }).click();
  await expect(page.getByRole("group", { name: "Question 2 of 2" })).toBeVisible();
  await expect(chat.questions).toHaveText(["Name a lake."]);
  await expect(page.getByRole("navigation", { name: "Chats" }).getByRole("link").first()).toHaveText(/Name a river\./);
});

test("a deleted chat can be had back", async ({ chat, page }) => {
  await chat.open(10);
  await chat.ask("Name a river.");
  await expect(chat.metrics).toBeVisible();
  await page.getByRole("button", { name: "This chat" }).click();
  await page.locator("#chat-acts").getByRole("button", { name: "Delete" }).click();
  await expect(page.getByText("The chat is deleted.")).toBeVisible();
  await page.getByRole("button", { name: "Undo" }).click();
  await expect(chat.questions).toHaveText(["Name a river."]);
});
