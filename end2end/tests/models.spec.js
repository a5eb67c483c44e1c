// @ts-check
// Models that are fetched, chosen, removed and had back by the page, from a hub that this file stands in for.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

import { AxeBuilder } from "@axe-core/playwright";

import { expect } from "./chat_page.js";
import { testIn } from "./own_server.js";

const FIRST = "../engine/tests/fixtures/tiny.gguf";
const bytes = await readFile(FIRST);

/** Lets go on what is held back half-way; by the name of a repository. @type {Map<string, () => void>} */
const held = new Map();

/** Repositories of one small file each; that of one called `slow…` waits half-way. */
const hub = createServer(async (request, response) => {
  const [, owner, name, rest] = /\/([\w-]+)\/([\w-]+)\/(revision|resolve)\//.exec(request.url ?? "") ?? [];
  if (owner !== "owner" || !name) {
    response.writeHead(404).end();
  } else if (rest === "revision") {
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const lfs = { sha256, size: bytes.length, pointerSize: 130 };
    const siblings = [{ rfilename: `${name}.gguf`, size: bytes.length, blobId: "1", lfs }];
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ sha: "0".repeat(40), siblings }));
  } else {
    response.writeHead(200, { "Content-Length": bytes.length });
    const half = bytes.length >> 1;
    response.write(bytes.subarray(0, half));
    if (name.startsWith("slow")) {
      await new Promise((resolve) => held.set(name, () => resolve(undefined)));
    }
    response.end(bytes.subarray(half));
  }
});
hub.listen(0, "127.0.0.1");
await once(hub, "listening");
hub.unref();
const address = /** @type {import("node:net").AddressInfo} */ (hub.address());

const test = testIn({ HF_ENDPOINT: `http://127.0.0.1:${address.port}` }, "--model", FIRST);

test.skip(Boolean(process.env.NIBBLE_URL), "it starts a server of its own");
// What is refused is answered with a status that the browser tells of.
test.use({ tolerated: [/status of 4\d\d/] });

/** @param {import("@playwright/test").Page} page @param {string} name */
async function fetchModel(page, name) {
  await page.goto("/about/models");
  await page.getByLabel(/^A short name, or a repository/).fill(name);
  await page.getByRole("button", { name: "Fetch", exact: true }).click();
}

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with" : "without";
  test.describe(`${how} JavaScript`, () => {
    test.use({ javaScriptEnabled });

    test("a model is fetched with progress, begins a chat, is removed and had back", async ({ page }) => {
      const name = `owner/slow-${how}`;
      await fetchModel(page, name);
      await expect(page.getByText(`Fetching ${name}`)).toBeVisible();
      await expect(page.getByRole("progressbar")).toBeVisible();
      await expect.poll(() => held.has(`slow-${how}`)).toBe(true);
      held.get(`slow-${how}`)?.();
      await expect(page.getByText(`${name} is here and can be asked.`)).toBeVisible();
      const row = page.getByRole("region", { name: "On this disk" }).getByRole("row", { name });
      await row.getByRole("link", { name: /^New chat with/ }).click();
      await expect(page.locator("#model")).toHaveValue(`slow-${how}`);
      await page.goto("/about/models");
      await row.getByRole("button", { name: `Remove ${name}` }).click();
      await expect(page.getByText(`${name} was removed.`)).toBeVisible();
      await expect(row).toHaveCount(0);
      await page.getByRole("button", { name: "Undo" }).click();
      await expect(row.getByRole("link", { name: /^New chat with/ })).toBeVisible();
    });

    test("what is no model is refused with its reason, and stays typed", async ({ page }) => {
      await fetchModel(page, "../secrets");
      await expect(page.getByRole("alert")).toContainText("`../secrets`");
      const field = page.getByLabel(/^A short name, or a repository/);
      await expect(field).toHaveValue("../secrets");
      await expect(field).toHaveAttribute("aria-invalid", "true");
      await expect(field).toHaveAccessibleDescription(/`..\/secrets`/);
      await fetchModel(page, "nobody/nothing");
      await expect(page.getByRole("alert")).toContainText("nobody/nothing was not fetched");
    });

    test("the short address leads to the page", async ({ page }) => {
      await page.goto("/models");
      await expect(page).toHaveURL(/\/about\/models$/);
    });
  });
}

test("a fetch that is cancelled leaves what another goes on with", async ({ page }) => {
  await fetchModel(page, "owner/slow-cancelled");
  await expect.poll(() => held.has("slow-cancelled")).toBe(true);
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  await expect(page.getByText("Fetching owner/slow-cancelled was cancelled.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Go on with owner/slow-cancelled" })).toBeVisible();
  held.get("slow-cancelled")?.();
});

test.describe("on a phone", () => {
  test.use({ viewport: { width: 390, height: 800 } });

  test("rows are one line each, and the page fits and passes the audit", async ({ page }) => {
    await page.goto("/about/models");
    const rows = page.getByRole("region", { name: "To be fetched" }).locator("tbody tr");
    for (const row of await rows.all()) {
      const box = await row.boundingBox();
      expect(box?.height).toBeLessThan(50);
    }
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0].target}`)).toEqual([]);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - window.innerWidth,
    );
    expect(overflow).toBeLessThanOrEqual(0);
  });
});
