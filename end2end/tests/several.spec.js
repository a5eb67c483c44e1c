// @ts-check
// A server of several models: which of them a conversation goes to, lanes of both, and what the page of models says of them.
import { expect, expectFitting, expectNoOverflow } from "./chat_page.js";
import { testOf } from "./own_server.js";

const TINY = "../engine/tests/fixtures/tiny.gguf";

const test = testOf("--model", "smollm2", "--model", TINY, "--keep-alive", "600");
test.skip(Boolean(process.env.NIBBLE_URL), "it starts a server of its own");

/** The names of both models in requests, the first of which is chosen first. @param {import("@playwright/test").Page} page */
async function served(page) {
  const { data } = await (await page.request.get("/v1/models")).json();
  expect(data.length).toBe(2);
  return data.map((/** @type {{ id: string }} */ model) => model.id);
}

/** Has each of two lanes answer by another model. @param {import("@playwright/test").Page} page @param {string[]} models */
async function compareModels(page, models) {
  await page.goto("/compare?preset=kernels");
  await page.getByLabel("Most tokens").fill("17");
  for (const [place, model] of models.entries()) {
    const lane = page.getByRole("group", { name: `Lane ${place + 1}` });
    await lane.getByLabel("Kernel").selectOption({ index: 0 });
    await lane.getByLabel("Model").selectOption(model);
  }
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

    test("the chat, the form of lanes and the models pass the audit and fit the screen", async ({ page }) => {
      for (const path of ["/", "/compare", "/about/models"]) {
        await page.goto(path);
        await expectFitting(page);
        await page.emulateMedia({ forcedColors: "active" });
        await expectFitting(page);
        await page.emulateMedia({ forcedColors: "none" });
      }
    });

    test("the model is chosen where the settings are", async ({ page }) => {
      const [, tiny] = await served(page);
      await page.goto("/");
      if (look.width < 992) {
        await page.getByRole("button", { name: "Chats and settings" }).click();
      }
      const choice = page.locator("#model");
      await choice.selectOption(tiny);
      await expect(choice).toHaveValue(tiny);
      await expectFitting(page);
    });
  });
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(`${javaScriptEnabled ? "with" : "without"} JavaScript`, () => {
    test.use({ javaScriptEnabled });

    test("a conversation goes from one model to the other and back", async ({ chat, page }) => {
      const [first, tiny] = await served(page);
      await chat.open(20);
      const turns = [first, tiny, first];
      const names = [];
      for (const [turn, model] of turns.entries()) {
        await page.locator("#model").selectOption(model);
        await chat.ask("Why is the sky blue?");
        await expect(chat.answers).toHaveCount(turn + 1);
        await expect(chat.metrics).toBeVisible();
        // Its figures name the model that wrote it, as the choice does.
        const name = await chat.figure("Model");
        await expect(page.locator(`#model option[value="${model}"]`)).toContainText(name);
        names.push(name);
        // What comes next goes to the same, until another is chosen.
        await page.reload();
        await expect(page.locator("#model")).toHaveValue(model);
      }
      expect(names[0]).toBe(names[2]);
      expect(names[1]).not.toBe(names[0]);
      // Whose answer each was, the page of figures counts.
      // They are written down a moment after they are shown.
      await expect(async () => {
        await page.goto("/speed");
        const rows = page.getByRole("region", { name: "By model" }).locator("tbody tr");
        const counts = await rows.locator("td:nth-of-type(1)").allTextContents();
        expect(counts.map(Number).sort()).toEqual([1, 2]);
      }).toPass();
    });

    test("lanes of two models are measured, and their tokens are not compared", async ({ page }) => {
      const models = await served(page);
      await compareModels(page, models);
      const rows = page.getByRole("region", { name: "Comparison" }).locator("tbody tr");
      await expect(rows).toHaveCount(2);
      for (const [place, model] of models.entries()) {
        await expect(rows.nth(place).locator("th")).toContainText(model);
      }
      await expect(page.locator(".verdict")).toContainText("their tokens are not compared");
      // axe is a script itself.
      await (javaScriptEnabled ? expectFitting : expectNoOverflow)(page);
    });

    test("the page of models begins a chat with each, and says which is in memory", async ({ page }) => {
      for (const model of await served(page)) {
        await page.goto("/about/models");
        await page.locator(`a.begin[href="/?model=${model}"]`).first().click();
        await expect(page.locator("#model")).toHaveValue(model);
      }
      await page.goto("/about/models");
      await expect(page.getByText(/ · (in memory|loaded when it is asked)/)).toHaveCount(2);
    });
  });
}
