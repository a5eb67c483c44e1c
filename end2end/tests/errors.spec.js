// @ts-check
import { expect, test } from "./chat_page.js";

test.use({ tolerated: [/Failed to load resource/] });

test("a message that is too long is refused and kept", async ({
  chat,
  page,
}) => {
  await chat.open(10);
  const long = "é".repeat(20_000);
  // As a paste: a field with a limit of its own would cut it without a word.
  await chat.message.focus();
  await page.keyboard.insertText(long);
  await chat.send.click();
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

test("an answer whose connection is lost keeps its text and can be tried again", async ({
  chat,
  page,
}) => {
  await chat.open(10);
  const events = "**/runs/*/events";
  const text = { at: 0, html: "", tail: "<p>half an answer</p>" };
  await page.route(
    events,
    (route) => route.fulfill({ status: 503, body: "too many readers" }),
  );
  await page.route(
    events,
    (route) =>
      route.fulfill({
        contentType: "text/event-stream",
        body: `retry: 50\nevent: text\nid: 0\ndata: ${JSON.stringify(text)}\n\n`,
      }),
    { times: 1 },
  );
  await chat.ask("Hello.");
  const retry = page.getByRole("button", { name: "Try again" });
  await expect(retry).toBeVisible();
  await retry.click();
  await expect(retry).toBeVisible();
  await expect(chat.answer.getByText("half an answer")).toBeVisible();
  await expect(chat.send).toBeVisible();
  await page.unroute(events);
  await retry.click();
  await expect(chat.metrics).toBeVisible();
  await expect(chat.answer).not.toContainText("half an answer");
});

test("an answer that the server no longer has is not offered again", async ({
  chat,
  page,
}) => {
  await chat.open(10);
  const events = "**/runs/*/events";
  await page.route(events, (route) => route.fulfill({ status: 404 }));
  await chat.ask("Hello.");
  await expect(chat.answer).toContainText("no longer has this answer");
  await expect(page.getByRole("button", { name: "Try again" })).toHaveCount(0);
  await page.unroute(events);
  await page.reload();
  await chat.ask("Hello again.");
  await expect(chat.metrics).toBeVisible();
});

test("a message after the server forgot begins a new conversation and says so", async ({
  chat,
  page,
}) => {
  await chat.open(10);
  await chat.ask("Hello.");
  await expect(chat.metrics).toBeVisible();
  const gone = "0".repeat(32);
  await page.route("**/api/send", (route) =>
    route.continue({
      postData: (route.request().postData() ?? "").replace(
        /conversation=[0-9a-f]*/,
        `conversation=${gone}`,
      ),
    }), { times: 1 });
  await chat.ask("Are you there?");
  await expect(page.getByRole("alert").first()).toContainText("is gone");
  await expect(chat.message).toHaveValue("Are you there?");
  await chat.send.click();
  await expect(chat.questions).toHaveCount(2);
  await expect(page.getByText("A new conversation begins here")).toBeVisible();
  await expect(chat.metrics).toBeVisible();
});

test("a conversation that is not there is told", async ({ page }) => {
  const response = await page.goto(`/c/${"0".repeat(32)}`);
  expect(response?.status()).toBe(404);
  await expect(page.getByText("There is no such conversation")).toBeVisible();
});
