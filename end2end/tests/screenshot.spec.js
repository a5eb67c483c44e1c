// @ts-check
// The picture in the README, taken again only when asked for: `make screenshot`.
import { expect, test } from "./chat_page.js";

test.skip(!process.env.NIBBLE_SCREENSHOT, "only on demand");
test.use({ viewport: { width: 1200, height: 800 } });

test("the README's screenshot", async ({ chat, page }) => {
  await chat.open(250);
  await chat.ask("Explain in three short sentences why the sky is blue.");
  await expect(chat.metrics).toBeVisible();
  await page.screenshot({ path: "screenshot.png" });
});
