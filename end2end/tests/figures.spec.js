// @ts-check
// What the figures under an answer say, and what they are silent about.
import { LONG, expect, number, test } from "./chat_page.js";

test("the long text to read shows what prefill takes", async ({
  chat,
  page,
}) => {
  await chat.open(20);
  await page.getByRole("button", { name: "A long text to read" }).click();
  await expect(chat.metrics).toBeVisible();
  expect(number(await chat.figure("Prompt tokens"))).toBeGreaterThan(400);
});

test("figures are alive while an answer is written and one line after it", async ({
  chat,
  page,
}) => {
  await chat.open(600);
  await chat.ask(LONG);
  const line = page.locator(".tick");
  await expect(line).toHaveText(
    /^[\d.]+ tokens\/s · [\d.]+× reading · first token \d+ ms · \d+\.\d s · \$0\.0\d+$/,
  );
  await expect(chat.metrics).toBeVisible();
  await expect(line).toHaveCount(0);
  const shown = chat.metrics.locator(".line");
  await expect(shown).toHaveText(
    /tokens\/s.*× reading.*first token .*\$0\.\d+.*\$[\d.]+ \/M/,
  );
  expect((await chat.metrics.boundingBox())?.height).toBeLessThan(50);
});

test("the five figures have their names in More and for screen readers", async ({
  chat,
}) => {
  await chat.open(40);
  await chat.ask(LONG);
  await expect(chat.metrics).toBeVisible();
  const names = [
    "Decode speed",
    "Time to first token",
    "Total time",
    "Total cost",
    "Cost per million tokens",
  ];
  const tree = await chat.metrics.ariaSnapshot();
  for (const name of names) {
    expect(tree).toContain(name);
    expect(await chat.figure(name)).not.toBe("");
  }
  const more = chat.metrics.getByText("Prefill", { exact: true });
  await expect(more).toBeHidden();
  await chat.metrics.getByText("More").click();
  await expect(more).toBeVisible();
  expect(await chat.figure("First token")).toMatch(/(meets|misses) the 1 s bar/);
});

test("few tokens make no speed, and no figure is nothing", async ({ chat }) => {
  await chat.open(10);
  await chat.ask("Why is the sky blue?");
  await expect(chat.metrics).toBeVisible();
  const figures = (await chat.metrics.textContent()) ?? "";
  expect(figures).toContain("Time to first token");
  expect(figures).not.toMatch(/tokens\/s|per million|[^\d]0\.0+ |NaN|Infinity/);
});

test("a price names its machine and says when that is not this one", async ({
  chat,
  page,
}) => {
  await chat.open(20);
  await chat.openMoreSettings();
  const note = page.locator("#price");
  await expect(note).toContainText(/r8g\.4xlarge .* in \d{4}/);
  await page.getByLabel("Price of").selectOption("c8g.4xlarge");
  await expect(chat.usdPerHour).toHaveValue("0.63808");
  await expect(note).toContainText("c8g.4xlarge");
  await chat.ask("Hello.");
  await expect(chat.metrics).toBeVisible();
  expect(await chat.figure("Price")).toMatch(/^\$0\.63808 an hour, c8g\.4xlarge/);
  await chat.usdPerHour.fill("2.5");
  await expect(note).toHaveText("Your own price for this machine.");
  await chat.ask("Hello?");
  await expect(chat.questions).toHaveCount(2);
  await expect(chat.metrics).toBeVisible();
  expect(await chat.figure("Price")).toBe("$2.5 an hour, your own");
});

test("the page says how many bits a weight has, the same everywhere", async ({
  page,
}) => {
  await page.goto("/");
  const head = await page.locator(".facts").innerText();
  const bits = /^(four|[\d.]+) bits a weight/.exec(head)?.[0];
  expect(bits).toBeTruthy();
  const greeting = page.getByRole("article", { name: "Greeting" });
  await expect(greeting).toContainText(String(bits));
});
