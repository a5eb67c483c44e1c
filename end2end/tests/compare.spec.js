// @ts-check
// Comparisons of kernels, and answers that are computed again.
import { LONG, expect, expectFitting, number, test } from "./chat_page.js";

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

/** @param {import("@playwright/test").Locator} found */
async function box(found) {
  const box = await found.boundingBox();
  if (!box) {
    throw new Error(`nothing is seen of ${found}`);
  }
  return box;
}

for (const [width, javaScriptEnabled] of /** @type {const} */ ([
  [1280, true],
  [390, false],
])) {
  test.describe(`${width} px, ${javaScriptEnabled ? "with" : "without"} JavaScript`, () => {
    test.use({ viewport: { width, height: 800 }, javaScriptEnabled });

    test("lanes that are measured have columns where there is room, and what they are at lies within", async ({
      page,
    }) => {
      await page.goto("/compare?preset=kernels");
      await page.getByLabel("Most tokens").fill("200");
      const compare = page.getByRole("button", { name: "Compare", exact: true });
      await compare.click({ noWaitAfter: true });
      const lanes = page.locator(".measuring section");
      await expect(lanes.first().locator(".tick").last()).toBeVisible();
      const [lane, told] = [await box(lanes.first()), await box(lanes.first().locator(".tick").last())];
      expect(told.x).toBeGreaterThan(lane.x);
      expect(told.x + told.width).toBeLessThan(lane.x + lane.width);
      await expect(lanes).toHaveCount(2);
      const [first, second] = [await box(lanes.first()), await box(lanes.nth(1))];
      if (width > 1000) {
        expect(second.x).toBeGreaterThanOrEqual(first.x + first.width);
        expect(second.y).toBe(first.y);
      } else {
        expect(second.y).toBeGreaterThanOrEqual(first.y + first.height);
        expect(second.width).toBe(first.width);
      }
      // One is measured at a time, and the next test begins another.
      await page.getByRole("button", { name: "Stop", exact: true }).click({ noWaitAfter: true });
      await expect(page.getByText("It was stopped")).toBeVisible();
    });
  });
}

for (const javaScriptEnabled of [true, false]) {
  test.describe(`${javaScriptEnabled ? "with" : "without"} JavaScript`, () => {
    test.use({ javaScriptEnabled });

    test("a ready-made comparison begins by one button, or fills the form", async ({ page }) => {
      await page.goto("/compare");
      await page.getByRole("link", { name: "Change first: One thread and all" }).click();
      await expect(page.getByRole("group", { name: "Lane 1" }).getByLabel("Threads")).toHaveValue("1");
      const button = page.getByRole("button", { name: "Before and after the kernels" });
      await button.click({ noWaitAfter: true });
      await expect(page).toHaveURL(/\/compare\/[0-9a-f]{32}$/);
      await expect(page.locator(".measuring section").first()).toBeVisible();
      await page.getByRole("button", { name: "Stop", exact: true }).click({ noWaitAfter: true });
      await expect(page.getByText("It was stopped")).toBeVisible();
    });

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

/** The middle one, of an even number the lower. @param {number[]} values */
const median = (values) => values.sort((one, other) => one - other)[(values.length - 1) >> 1];

/** Of bars in a picture, the second beside the first. @param {number[]} lengths */
const ratio = ([first, second]) => second / first;

test("words, bars and the picture are those of the file", async ({ page }) => {
  await compareKernels(page);
  const { lanes } = await (await page.request.get(`${page.url()}/export.json`)).json();
  const picture = await (await page.request.get(`${page.url()}/export.svg`)).text();
  const widths = [...picture.matchAll(/width="([\d.]+)" height="16"/g)].map((bar) => Number(bar[1]));
  const charts = page.locator("figure.chart");
  for (const [place, title, name] of /** @type {[number, string, string][]} */ ([
    [0, "Decode speed", "decode_tokens_per_second"],
    [1, "Time to first token", "time_to_first_token_s"],
  ])) {
    const figures = lanes.map((/** @type {any} */ lane) =>
      median(lane.rounds.map((/** @type {any} */ round) => round[name])),
    );
    const chart = charts.filter({ has: page.getByText(title, { exact: true }) });
    const values = await chart.locator("svg .value").allTextContents();
    const bars = chart.locator("svg .bar");
    const lengths = await bars.evaluateAll((all) => all.map((bar) => Number(bar.getAttribute("width"))));
    expect(figures.length).toBe(2);
    figures.forEach((/** @type {number} */ figure, /** @type {number} */ lane) =>
      expect(Math.abs(number(values[lane]) / figure - 1)).toBeLessThan(0.03),
    );
    for (const drawn of [lengths, widths.slice(2 * place, 2 * place + 2)]) {
      expect(drawn.length).toBe(2);
      // A bar is drawn to a tenth of a unit, and the shorter may have a few.
      const blur = 0.05 / Math.min(...drawn);
      expect(Math.abs(ratio(drawn) / ratio(figures) - 1)).toBeLessThan(0.03 + blur);
    }
  }
});

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

test("a shared comparison shows nothing of a chat that was asked before", async ({
  chat,
  page,
  browser,
}) => {
  await chat.open(24);
  await chat.ask("Which spice is called Zimtstange in German?");
  await expect(chat.metrics).toBeVisible();
  const conversation = new URL(page.url()).pathname.split("/")[2];
  const answered = (await chat.answer.locator(".prose").innerText()).trim();
  await compareKernels(page);
  const address = page.url();
  const other = await (await browser.newContext()).newPage();
  await other.goto(address);
  await expect(other.getByRole("heading", { name: "In words" })).toBeVisible();
  const shown = [await other.content()];
  for (const kind of ["json", "csv", "svg"]) {
    const file = await other.request.get(`${address}/export.${kind}`);
    expect(file.status()).toBe(200);
    shown.push(await file.text());
  }
  for (const text of shown) {
    expect(text).toContain("scalar");
    for (const own of ["Zimtstange", conversation, answered]) {
      expect(text).not.toContain(own);
    }
  }
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
