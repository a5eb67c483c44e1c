// @ts-check
// The pages of figures: what answers took, where the time of one went, how it works, and models.
import { AxeBuilder } from "@axe-core/playwright";

import { LONG, expect, number, test } from "./chat_page.js";

const PAGES = ["/speed", "/about/models", "/about"];

/** @param {import("@playwright/test").Page} page */
async function expectFitting(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0].target}`)).toEqual([]);
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - window.innerWidth,
  );
  expect(overflow).toBeLessThanOrEqual(0);
}

for (const look of /** @type {const} */ ([
  { colorScheme: "light", width: 390 },
  { colorScheme: "dark", width: 1280 },
])) {
  test.describe(`${look.colorScheme}, ${look.width} px`, () => {
    test.use({
      colorScheme: look.colorScheme,
      viewport: { width: look.width, height: 800 },
    });

    test("every page of figures passes the audit and fits the screen", async ({
      chat,
      page,
    }) => {
      for (const path of PAGES) {
        await page.goto(path);
        await expectFitting(page);
      }
      // The settings are in a drawer where there is little room.
      await page.goto("/");
      await chat.ask(LONG);
      await expect(chat.metrics).toBeVisible();
      await page.goto("/speed");
      for (const table of await page.getByText("Numbers").all()) {
        await table.click();
      }
      await expectFitting(page);
      await page.emulateMedia({ forcedColors: "active" });
      await expectFitting(page);
    });
  });
}

test("the figures below an answer are those of its page and of all answers", async ({
  chat,
  page,
}) => {
  await chat.open(60);
  await chat.ask(LONG);
  await expect(chat.metrics).toBeVisible();
  const speed = number(await chat.figure("Decode speed"));
  await chat.metrics.getByText("More").click();
  await chat.metrics.getByRole("link", { name: "Where the time went" }).click();
  await expect(page).toHaveURL(/\/speed\/[0-9a-f]{32}$/);
  await expect(page.locator(".why")).toContainText(/\.$/);
  const rows = page.getByRole("row");
  await expect(rows.filter({ hasText: "Reading the prompt" })).toBeVisible();
  await expect(rows.filter({ hasText: "Writing" })).toBeVisible();
  await page.getByRole("link", { name: "All answers" }).click();
  const median = page.locator(".summary div", { hasText: "Decode, median" });
  const shown = number(await median.locator("dd").innerText());
  expect(Math.abs(shown / speed - 1)).toBeLessThan(0.03);
});

test("answers are chosen by model and day, and come as a file", async ({
  chat,
  page,
}) => {
  await chat.open(40);
  await chat.ask(LONG);
  await expect(chat.metrics).toBeVisible();
  await page.goto("/speed");
  await expect(page.getByRole("img", { name: /Chart: Decode speed, over time/ })).toBeVisible();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download CSV" }).click();
  expect((await download).suggestedFilename()).toMatch(/\.csv$/);
  await page.getByLabel("To", { exact: true }).fill("2020-01-01");
  await page.getByRole("button", { name: "Show" }).click();
  await expect(page).toHaveURL(/to=2020-01-01/);
  await expect(page.getByText("There are no answers")).toBeVisible();
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("the sidebar leads to each page, which is all there", async ({ page }) => {
    for (const [name, heading] of [
      ["Speed", "Speed"],
      ["Models", "Models"],
      ["How it works", "How it works"],
    ]) {
      await page.goto("/");
      await page.getByRole("link", { name, exact: true }).click();
      await expect(page.getByRole("heading", { level: 1 })).toHaveText(heading);
    }
    await expect(page.getByRole("img", { name: /^Drawing: a question/ })).toBeVisible();
    await expect(page.getByRole("row", { name: /^Kernel / })).toBeVisible();
  });
});
