// @ts-check
// Comparisons of kernels, and answers that are computed again.
import { AxeBuilder } from "@axe-core/playwright";

import { LONG, expect, number, test } from "./chat_page.js";

/** @param {import("@playwright/test").Page} page */
async function expectFitting(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0].target}`)).toEqual([]);
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - window.innerWidth,
  );
  expect(overflow).toBeLessThanOrEqual(0);
}

/** @param {import("@playwright/test").Page} page */
async function compareKernels(page) {
  await page.goto("/compare?preset=kernels");
  await page.getByLabel("Most tokens").fill("24");
  await page.getByRole("button", { name: "Compare", exact: true }).click();
  await expect(page).toHaveURL(/\/compare\/[0-9a-f]{32}$/);
  await expect(page.getByRole("heading", { name: "In words" })).toBeVisible();
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

    test("form and report pass the audit and fit the screen", async ({ page }) => {
      await page.goto("/compare");
      await expectFitting(page);
      await compareKernels(page);
      await expectFitting(page);
      for (const folded of ["What each lane wrote", "Change prices"]) {
        await page.getByText(folded).click();
      }
      await expectFitting(page);
      await page.emulateMedia({ forcedColors: "active" });
      await expectFitting(page);
    });
  });
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(`${javaScriptEnabled ? "with" : "without"} JavaScript`, () => {
    test.use({ javaScriptEnabled });

    test("before and after the kernels: the ratio is that of the lanes, the tokens are the same", async ({
      page,
    }) => {
      await compareKernels(page);
      const verdict = page.locator(".verdict");
      await expect(verdict).toContainText(/All lanes gave the same \d+ tokens\./);
      const said = /writes ([\d.,]+) times as fast/.exec(await verdict.innerText());
      const rows = page.getByRole("region", { name: "Comparison" }).locator("tbody tr");
      await expect(rows).toHaveCount(2);
      const decode = async (/** @type {number} */ row) =>
        number(await rows.nth(row).locator("td").nth(2).innerText());
      const ratio = (await decode(1)) / (await decode(0));
      expect(ratio).toBeGreaterThan(1);
      expect(Math.abs(number(said?.[1] ?? "") / ratio - 1)).toBeLessThan(0.06);
    });
  });
}

test("prices elsewhere are the reader's, and the page can be read by others", async ({
  page,
  browser,
}) => {
  await compareKernels(page);
  await page.getByText("Change prices").click();
  await page.getByLabel("API, $ per million tokens").fill("0.5");
  await page.getByRole("button", { name: "Compute" }).click();
  const row = page.getByRole("row", { name: /^An API/ });
  await expect(row).toContainText("$0.500");
  const other = await (await browser.newContext()).newPage();
  await other.goto(page.url());
  await expect(other.getByRole("heading", { name: "In words" })).toBeVisible();
  await expect(other.getByRole("button", { name: "Delete" })).toHaveCount(0);
  for (const name of ["JSON", "CSV", "SVG"]) {
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name, exact: true }).click();
    expect((await download).suggestedFilename()).toMatch(new RegExp(`\\.${name}$`, "i"));
  }
  await page.getByRole("button", { name: "Delete" }).click();
  await expect(page).toHaveURL(/\/compare$/);
});

test("an answer computed again is the same", async ({ chat, page }) => {
  await chat.open(40);
  await chat.ask(LONG);
  await expect(chat.metrics).toBeVisible();
  await chat.metrics.getByText("More").click();
  await chat.metrics.getByRole("link", { name: "Where the time went" }).click();
  await page.getByRole("button", { name: "Compute again" }).click();
  await expect(page.getByText(/Computed again: the same, all \d+ tokens\./)).toBeVisible();
});
