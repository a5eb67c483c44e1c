// @ts-check
// The pages of figures: what answers took, where the time of one went, how it works, and models.
import { LONG, expect, expectFitting, number, test } from "./chat_page.js";

const PAGES = ["/speed", "/about/models", "/about"];

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

    test("an answer’s page, computed again, and the measured machine pass the audit and fit", async ({
      chat,
      page,
    }) => {
      await page.goto("/");
      await chat.ask(LONG);
      await expect(chat.metrics).toBeVisible();
      await chat.metrics.getByRole("link", { name: /tokens\/s$/ }).click();
      await expect(page).toHaveURL(/\/speed\/[0-9a-f]{32}#decode$/);
      await expectFitting(page);
      await page.getByRole("button", { name: "Compute again" }).click();
      await expect(page.getByText(/Computed again: the same/)).toBeVisible();
      await expectFitting(page);
      await page.emulateMedia({ forcedColors: "active" });
      await expectFitting(page);
      await page.emulateMedia({ forcedColors: null });
      await measure(page);
      for (const path of ["/about", "/speed"]) {
        await page.goto(path);
        await expect(page.getByRole("heading", { name: "Roofline" })).toBeVisible();
        await expectFitting(page);
        await page.emulateMedia({ forcedColors: "active" });
        await expectFitting(page);
        await page.emulateMedia({ forcedColors: null });
      }
    });
  });
}

/** Measures the machine, or finds what was measured a moment ago. @param {import("@playwright/test").Page} page */
async function measure(page) {
  await page.goto("/about");
  await page.getByRole("button", { name: /^Measure this machine/ }).click();
  await expect(page.getByText(/^Measured on .*, when no answers were computed\.$/)).toBeVisible();
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(`JavaScript ${javaScriptEnabled ? "on" : "off"}`, () => {
    test.use({ javaScriptEnabled });

    test("each figure of the line leads to where it lies, and the answer can be computed again", async ({
      chat,
      page,
    }) => {
      // Two of them: one has nothing to lie among.
      for (const tokens of [30, 40]) {
        await chat.open(tokens);
        await chat.ask(LONG);
        await expect(chat.metrics).toBeVisible();
      }
      const address = page.url();
      const places = ["decode", "decode", "first", "total", "cost", "cost"];
      const links = chat.metrics.locator("dl.line a");
      await expect(links).toHaveCount(places.length);
      for (const [at, place] of places.entries()) {
        await page.goto(address);
        await links.nth(at).click();
        await expect(page).toHaveURL(new RegExp(`/speed/[0-9a-f]{32}#${place}$`));
        await expect(page.locator(`#${place}`)).toContainText("of 100");
      }
      await page.getByRole("button", { name: "Compute again" }).click();
      await expect(page.getByText(/Computed again: the same, all \d+ tokens\./)).toBeVisible();
    });

    test("each number of the roofline leads to its formula with the numbers put in", async ({
      chat,
      page,
    }) => {
      await chat.open(40);
      // Nothing to guess from, and long enough to tell how fast it is read.
      await chat.ask(Array.from({ length: 60 }, (_, at) => `Item ${at * 7919}`).join(", "));
      await expect(chat.metrics).toBeVisible();
      await measure(page);
      const roofline = page.getByRole("region", { name: "Numbers of the roofline" });
      for (const name of ["Bytes per token", "Products per token", "Products per byte", "Reached", "Of the roof"]) {
        const link = roofline.getByRole("link", { name, exact: true });
        const id = (await link.getAttribute("href"))?.slice(1);
        await link.click();
        await expect(page.locator(`tr[id="${id}"]`)).toContainText(" = ");
      }
      await page.goto("/speed");
      await roofline.getByRole("link", { name: "Of the roof", exact: true }).click();
      await expect(page).toHaveURL(/\/about#share-of-the-roof$/);
      await expect(page.locator("tr#share-of-the-roof")).toContainText(" = ");
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

/**
 * Where zero is in the picture of a chart, and what a unit of length is worth.
 * @param {import("@playwright/test").Locator} picture
 */
async function scale(picture) {
  const grid = await picture.locator("line.grid").evaluateAll((all) => all.map((line) => Number(line.getAttribute("y1"))));
  const top = number((await picture.locator("text[text-anchor=end]").nth(2).textContent()) ?? "");
  return { zero: grid[0], unit: top / (grid[0] - grid[2]) };
}

test("points of a chart lie where the figures of the file say", async ({ chat, page }) => {
  for (const tokens of [30, 60]) {
    await chat.open(tokens);
    await chat.ask(LONG);
    await expect(chat.metrics).toBeVisible();
  }
  const read = async () => {
    const file = await (await page.request.get("/speed.csv")).text();
    return file.trim().split("\r\n").map((line) => line.split(","));
  };
  // They are written down a moment after they are shown.
  await expect.poll(async () => (await read()).length).toBe(3);
  const [head, ...lines] = await read();
  await page.goto("/speed");
  for (const [title, name] of [
    ["Decode speed, over time", "decode_tokens_per_second"],
    ["Time to first token, over time", "time_to_first_token_s"],
  ]) {
    // The first answer and the last are never in the same part of the time.
    const figures = lines.map((line) => Number(line[head.indexOf(name)]));
    const picture = page.getByRole("img", { name: `Chart: ${title}` });
    const points = picture.locator("g.first .mark");
    const heights = await points.evaluateAll((all) => all.map((mark) => Number(mark.getAttribute("cy"))));
    const { zero, unit } = await scale(picture);
    expect(heights.length).toBe(2);
    heights.forEach((height, answer) => {
      const value = (zero - height) * unit;
      expect(Math.abs(value - figures[answer])).toBeLessThan(0.03 * figures[answer] + 0.1 * unit);
    });
  }
});

/**
 * What the bars of a chart on `/speed` are worth, each with its label.
 * @param {import("@playwright/test").Page} page
 * @param {string} title
 */
async function bars(page, title) {
  const chart = page.locator("figure.chart").filter({ has: page.getByText(title, { exact: true }) });
  const { unit } = await scale(chart.getByRole("img"));
  const drawn = chart.locator("svg rect.bar");
  const heights = await drawn.evaluateAll((all) => all.map((bar) => Number(bar.getAttribute("height"))));
  const labels = await chart.locator("tbody th").allTextContents();
  expect(labels.length).toBe(heights.length);
  return heights.map((height, at) => ({ label: labels[at], value: height * unit }));
}

/** @param {number[]} values */
const sum = (values) => values.reduce((all, value) => all + value, 0);

test("bars of costs and spreads are the figures below the answers", async ({ chat, page }) => {
  const costs = /** @type {number[]} */ ([]);
  const speeds = /** @type {number[]} */ ([]);
  const firsts = /** @type {number[]} */ ([]);
  for (const tokens of [30, 60]) {
    await chat.open(tokens);
    await chat.ask(LONG);
    await expect(chat.metrics).toBeVisible();
    costs.push(number(await chat.figure("Share of the cost")));
    speeds.push(number(await chat.figure("Decode speed")));
    firsts.push(number(await chat.figure("Time to first token")));
  }
  // They are written down a moment after they are shown.
  await expect(async () => {
    await page.goto("/speed");
    await expect(page.locator(".summary dd").first()).toHaveText("2", { timeout: 1_000 });
  }).toPass();
  // There may be a midnight between them.
  const days = await bars(page, "Cost by day");
  const drawn = sum(days.map(({ value }) => value));
  expect(Math.abs(drawn / sum(costs) - 1)).toBeLessThan(0.03);
  for (const [title, figures, edges] of /** @type {[string, number[], number[]][]} */ ([
    ["How many were how fast", speeds, [1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 1000]],
    ["How many took how long to the first token", firsts, [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300]],
  ])) {
    const parts = await bars(page, title);
    const upTo = (/** @type {string} */ label) => (label.startsWith("<") ? number(label.slice(1)) : Infinity);
    // A figure that is shown near an edge may be counted on either side of it.
    for (const edge of [...edges, Infinity]) {
      const below = sum(parts.filter(({ label }) => upTo(label) <= edge).map(({ value }) => value));
      const fewest = figures.filter((figure) => figure < 0.97 * edge).length;
      const most = figures.filter((figure) => figure < 1.03 * edge).length;
      expect(below).toBeGreaterThan(fewest - 0.03);
      expect(below).toBeLessThan(most + 0.03);
    }
  }
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
