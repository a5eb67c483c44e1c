// @ts-check
// A server with a password: nothing is shown before it is typed, all is shared after.
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { AxeBuilder } from "@axe-core/playwright";

import { expect } from "./chat_page.js";
import { testOf } from "./own_server.js";

const PASSWORD = "correct horse battery staple";
const file = join(await mkdtemp(join(tmpdir(), "nibble-")), "password");
await writeFile(file, PASSWORD);
const test = testOf("--password-file", file);

test.skip(Boolean(process.env.NIBBLE_URL), "it starts a server of its own");
// What is asked for without a password is refused, and the browser says so.
test.use({ tolerated: [/status of 401/] });

/** @param {import("@playwright/test").Page} page @param {string} password */
async function signIn(page, password) {
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("the password opens the page that was wanted, and all of its chats", async ({ baseURL, browser, chat, page }) => {
      await page.goto("/");
      await expect(page).toHaveURL(/\/sign-in$/);
      await expect(chat.message).toHaveCount(0);
      if (javaScriptEnabled) {
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations.map(({ id }) => id)).toEqual([]);
      }
      await signIn(page, "guess");
      await expect(page.getByRole("alert")).toHaveText("That is not the password.");
      await expect(page.getByLabel("Password")).toHaveAttribute("aria-invalid", "true");
      await signIn(page, PASSWORD);
      await chat.maxTokens.fill("10");
      await chat.ask("Hello.");
      await expect(chat.metrics).toBeVisible();
      const [address] = page.url().split("#");

      const other = await (await browser.newContext({ javaScriptEnabled, baseURL })).newPage();
      await other.goto(address);
      await signIn(other, PASSWORD);
      await expect(other).toHaveURL(address);
      await expect(other.getByRole("article", { name: "Question" })).toContainText("Hello.");

      const exported = await page.request.get(`${address}/export.md`);
      expect(await exported.text()).toContain("Hello.");
      await page.getByRole("button", { name: "Sign out" }).click();
      await expect(page).toHaveURL(/\/sign-in$/);
      const refused = await page.request.get(`${address}/export.md`, { headers: { accept: "*/*" } });
      expect(refused.status()).toBe(401);
      await other.context().close();
    });
  });
}
