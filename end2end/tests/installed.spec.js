// @ts-check
// The page as an installed program whose server is gone.
import { expect, test } from "./chat_page.js";

test.describe("installed", () => {
  test.use({ serviceWorkers: "allow", tolerated: [/ERR_|Failed to/] });

  test("a server that is gone is told by a page that keeps no answers", async ({
    chat,
    context,
    page,
  }) => {
    await chat.open(10);
    await chat.ask("Hello.");
    await expect(chat.metrics).toBeVisible();
    await page.evaluate(() => navigator.serviceWorker.ready);
    const kept = await page.evaluate(async () => {
      const cache = await caches.open("offline");
      return (await cache.keys()).map(({ url }) => new URL(url).pathname);
    });
    expect(kept).toHaveLength(2);
    expect(kept).toContain("/offline");
    await context.setOffline(true);
    await page.goto("/");
    await expect(page.getByText("Nibble cannot be reached")).toBeVisible();
    await expect(page.locator("header")).toHaveCSS("position", "sticky");
    await context.setOffline(false);
    await page.getByRole("link", { name: "Try again" }).click();
    await expect(chat.message).toBeVisible();
  });

  test("it tells so in the language that was chosen last", async ({
    context,
    page,
  }) => {
    await page.goto("/");
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.getByRole("button", { name: "中文" }).click();
    await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
    const kept = () =>
      page.evaluate(async () => {
        const page = await caches.match("/offline");
        return (await page?.text()) ?? "";
      });
    await expect.poll(kept).toContain("无法连接到 Nibble");
    await context.setOffline(true);
    await page.goto("/");
    await expect(page.getByText("无法连接到 Nibble")).toBeVisible();
  });
});
