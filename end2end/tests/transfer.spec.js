// @ts-check
// Chats leave as files and come in from files, with JavaScript and without.
import { readFile } from "node:fs/promises";

import { AxeBuilder } from "@axe-core/playwright";

import { expect, test } from "./chat_page.js";

/** A file as ChatGPT exports it, with a conversation that is damaged. */
const FILE = {
  name: "conversations.json",
  mimeType: "application/json",
  buffer: Buffer.from(
    JSON.stringify([
      {
        title: "Quokkas",
        create_time: 1700000000,
        mapping: {
          q: { parent: null, message: said("user", "Where do quokkas live?") },
          a: { parent: "q", message: said("assistant", "On **Rottnest** Island.") },
        },
        current_node: "a",
      },
      { title: "Torn", mapping: 3 },
    ]),
  ),
};

/**
 * @param {string} role
 * @param {string} text
 */
function said(role, text) {
  return { author: { role }, content: { content_type: "text", parts: [text] } };
}

/** @param {import("@playwright/test").Page} page */
async function importFile(page) {
  await page.goto("/chats");
  await page.getByText("Import and export").click();
  await page.getByLabel("A file of chats").setInputFiles(FILE);
  await page.getByRole("button", { name: "Import" }).click();
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", () => {
    test.use({ javaScriptEnabled });

    test("a file is imported, and what is left out is named", async ({ page }) => {
      await importFile(page);
      const outcome = page.getByRole("status");
      await expect(outcome).toContainText("Imported 1 chat, left out 1:");
      await expect(outcome).toContainText("Torn: it cannot be read");
      if (javaScriptEnabled) {
        const { violations } = await new AxeBuilder({ page }).analyze();
        expect(violations.map(({ id }) => id)).toEqual([]);
      }
      await page.getByRole("link", { name: "Quokkas" }).first().click();
      await expect(page.getByRole("article", { name: "Answer" })).toContainText("On Rottnest Island.");
    });

    test("a chat is a file that opens by itself", async ({ page, browser }, info) => {
      await importFile(page);
      await page.getByText("Change").first().click();
      const downloaded = page.waitForEvent("download");
      await page.getByRole("link", { name: "HTML" }).first().click();
      const download = await downloaded;
      expect(download.suggestedFilename()).toBe("Nibble - Quokkas.html");
      const path = info.outputPath("chat.html");
      await download.saveAs(path);
      expect(await readFile(path, "utf8")).toContain("<strong>Rottnest</strong>");
      const apart = await browser.newContext();
      const file = await apart.newPage();
      await file.goto(`file://${path}`);
      await expect(file.getByRole("heading", { name: "Quokkas" })).toBeVisible();
      const width = (await file.getByRole("article", { name: "Answer" }).boundingBox())?.width;
      expect(width).toBeLessThanOrEqual(672);
      await apart.close();
    });
  });
}
