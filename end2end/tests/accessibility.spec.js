// @ts-check
import { AxeBuilder } from "@axe-core/playwright";

import { LONG, expect, test } from "./chat_page.js";

/** @param {import("@playwright/test").Page} page */
async function expectNoViolations(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}: ${nodes.map((node) => node.target).join(", ")}`,
  );
  expect(found).toEqual([]);
}

for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
  for (const width of [390, 1280]) {
    test.describe(`${colorScheme}, ${width} px`, () => {
      test.use({
        colorScheme,
        viewport: { width, height: 800 },
        tolerated: [/status of 404/],
      });

      test("every page passes the audit and fits the screen", async ({
        chat,
        page,
      }) => {
        await page.goto("/");
        await expectNoViolations(page);
        await chat.ask(LONG);
        await chat.partial(60);
        await expectNoViolations(page);
        await expect(chat.metrics).toBeVisible();
        await expectNoViolations(page);
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - window.innerWidth,
        );
        expect(overflow).toBeLessThanOrEqual(0);
        for (const lost of ["/no/such/page", `/c/${"0".repeat(32)}`]) {
          await page.goto(lost);
          await expectNoViolations(page);
        }
      });
    });
  }
}
