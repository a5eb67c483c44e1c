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
        await chat.send.click();
        await expect(chat.complaint).not.toBeEmpty();
        await expectNoViolations(page);
        await chat.ask(LONG);
        await chat.partial(60);
        await expectNoViolations(page);
        await expect(chat.metrics).toBeVisible();
        await chat.metrics.getByText("More").click();
        await expectNoViolations(page);
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - window.innerWidth,
        );
        expect(overflow).toBeLessThanOrEqual(0);
        if (width < 992) {
          await page.getByRole("button", { name: "Chats and settings" }).click();
        }
        await chat.setPrice("-1");
        await expectNoViolations(page);
        await page.keyboard.press("Escape");
        await chat.metrics.click();
        await page.keyboard.press("?");
        await expect(page.getByRole("dialog")).toBeVisible();
        await expectNoViolations(page);
        for (const lost of ["/offline", "/no/such/page", `/c/${"0".repeat(32)}`]) {
          await page.goto(lost);
          await expectNoViolations(page);
        }
      });
    });
  }
}
