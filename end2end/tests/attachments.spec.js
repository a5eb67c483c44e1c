// @ts-check
import { readFile } from "node:fs/promises";
import { AxeBuilder } from "@axe-core/playwright";
import { expect, test } from "./chat_page.js";

const NOTES = {
  name: "notes <b>.txt",
  mimeType: "text/plain",
  buffer: Buffer.from("The lighthouse keeper is called Ada.\n```\nShe has a cat.\n```\n"),
};
const PICTURE = {
  name: "picture.txt",
  mimeType: "text/plain",
  buffer: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 1]),
};
const QUESTION = "What is the keeper called?";

/** @param {import("@playwright/test").Page} page */
const field = (page) => page.getByLabel("Attach files");

/** @param {import("@playwright/test").Page} page */
const chosen = (page) => page.getByRole("list", { name: "Files of this message" });

/** @param {import("@playwright/test").Page} page */
const file = (page) => page.locator("details.file");

/**
 * Files as they are when they are dropped or pasted.
 * @param {import("@playwright/test").Page} page
 * @param {string} type of the event
 * @param {string} target
 * @param {{ name: string, text: string }[]} files
 */
async function give(page, type, target, files) {
  await page.evaluate(
    ({ type, target, files }) => {
      const data = new DataTransfer();
      for (const { name, text } of files) {
        data.items.add(new File([text], name));
      }
      const event = Object.assign(new Event(type, { bubbles: true, cancelable: true }), {
        [type === "paste" ? "clipboardData" : "dataTransfer"]: data,
      });
      document.querySelector(target)?.dispatchEvent(event);
    },
    { type, target, files },
  );
}

test.describe("with JavaScript", () => {
  test.use({ tolerated: [/status of 422/] });

  test("a chosen file is counted, sent, folded and told to the model", async ({ chat, page }) => {
    await chat.open(20);
    await field(page).setInputFiles(NOTES);
    await expect(chosen(page)).toContainText(/notes <b>\.txt\s*60 B · \d+ tokens/);
    await expect(chosen(page)).toContainText(/\d+ of the 8,192 tokens that the model can read/);
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations).toEqual([]);
    await chat.ask(QUESTION);
    await expect(chat.metrics).toBeVisible();
    await expect(chat.body).toContainText("Ada");
    await expect(chosen(page).getByRole("listitem")).toHaveCount(0);
    await expect(file(page).locator("pre")).toBeHidden();
    await file(page).locator("summary").click();
    await expect(file(page).locator("pre")).toHaveText(NOTES.buffer.toString());
    await expect(file(page).locator("summary")).toContainText("notes <b>.txt");
    const folded = await new AxeBuilder({ page }).analyze();
    expect(folded.violations).toEqual([]);
    await page.reload();
    await expect(file(page)).toHaveCount(1);
  });

  test("the count before is what the prompt then has more", async ({ chat, page }) => {
    await chat.open(10);
    await field(page).setInputFiles(NOTES);
    const told = chosen(page).getByRole("listitem").first();
    await expect(told).toContainText(/\d tokens/);
    const counted = Number(/(\d+) tokens/.exec((await told.innerText()) ?? "")?.[1]);
    await chat.ask(QUESTION);
    await expect(chat.metrics).toBeVisible();
    const prompt = async () => {
      await expect.poll(() => chat.figure("Prompt tokens")).toMatch(/^\d+/);
      return Number.parseInt(await chat.figure("Prompt tokens"), 10);
    };
    const withFile = await prompt();
    await chat.newChat.click();
    await chat.ask(QUESTION);
    await expect(chat.metrics).toBeVisible();
    expect(withFile - (await prompt())).toBe(counted);
  });

  test("files are dropped, pasted, added and removed", async ({ chat, page }) => {
    await chat.open(10);
    await give(page, "drop", "#log", [{ name: "dropped.txt", text: "one" }]);
    await give(page, "paste", "#message", [{ name: "pasted.txt", text: "two" }]);
    await field(page).setInputFiles([{ ...NOTES, name: "chosen.txt" }]);
    const items = chosen(page).getByRole("listitem").filter({ has: page.getByRole("button") });
    await expect(items).toHaveText([/dropped\.txt.*tokens/, /pasted\.txt.*tokens/, /chosen\.txt.*tokens/]);
    await page.getByRole("button", { name: "Remove pasted.txt" }).click();
    await expect(items).toHaveCount(2);
    await expect(chat.message).toBeFocused();
    await chat.message.press("Enter");
    await expect(chat.metrics).toBeVisible();
    await expect(file(page).locator("summary")).toHaveText([/^dropped\.txt/, /^chosen\.txt/]);
    await expect(page).toHaveTitle("dropped.txt · Nibble");
  });

  test("a file that is no text is refused by name, and the message goes without it", async ({ chat, page }) => {
    await chat.open(10);
    await field(page).setInputFiles([NOTES, PICTURE]);
    await expect(chosen(page)).toContainText("`picture.txt` is not text");
    await chat.ask(QUESTION);
    await expect(chat.complaint).toContainText("`picture.txt` is not text");
    await expect(chat.message).toHaveValue(QUESTION);
    await page.getByRole("button", { name: "Remove picture.txt" }).click();
    await expect(chat.complaint).toBeEmpty();
    await chat.ask(QUESTION);
    await expect(chat.metrics).toBeVisible();
    await expect(file(page)).toHaveCount(1);
  });

  test("Again, Edit and Branch keep files, and an export shows them", async ({ chat, page }) => {
    await chat.open(10);
    await field(page).setInputFiles(NOTES);
    await chat.ask(QUESTION);
    await expect(chat.metrics).toBeVisible();
    await page.getByRole("button", { name: "Again" }).click({ noWaitAfter: true });
    await expect(page.getByText("2/2")).toBeVisible();
    await expect(chat.metrics).toBeVisible();
    await expect(file(page)).toHaveCount(1);
    await page.getByText("Edit", { exact: true }).click();
    await page.getByLabel("The question, edited").fill("And what has she?");
    await page.getByRole("button", { name: "Ask instead" }).click({ noWaitAfter: true });
    await expect(chat.questions).toContainText("And what has she?");
    await expect(chat.metrics).toBeVisible();
    await expect(file(page)).toHaveCount(1);
    await page.getByRole("button", { name: "Branch" }).click({ noWaitAfter: true });
    await expect(page.getByText("2/2")).toHaveCount(0);
    await expect(file(page)).toHaveCount(1);
    const download = page.waitForEvent("download");
    await page.evaluate(() => {
      const link = document.createElement("a");
      link.href = `${location.pathname}/export.md`;
      document.body.append(link);
      link.click();
    });
    const exported = await readFile(await (await download).path(), "utf8");
    expect(exported).toContain("File `notes <b>.txt`:\n\n````\nThe lighthouse keeper");
  });

  test("a long question folds, is found and printed whole, and unfolds by key", async ({ chat, page }) => {
    await chat.open(10);
    const lines = Array.from({ length: 60 }, (_, line) => `line ${line}`);
    await chat.ask(lines.join("\n"));
    await expect(chat.metrics).toBeVisible();
    const text = chat.questions.locator("p");
    const height = async () => (await text.boundingBox())?.height ?? 0;
    const folded = await height();
    expect(folded).toBeLessThan(400);
    // As the browser's search does, an address with a text scrolls to what it finds, also within what is cut.
    const address = page.url();
    await page.goto("about:blank");
    await page.goto(`${address}#:~:text=line%2057`);
    await expect.poll(() => text.evaluate((text) => text.scrollTop)).toBeGreaterThan(100);
    await page.emulateMedia({ media: "print" });
    expect(await height()).toBeGreaterThan(60 * 15);
    await page.emulateMedia({ media: "screen" });
    const box = page.getByRole("checkbox", { name: "Show all" });
    await box.focus();
    await page.keyboard.press("Space");
    expect(await height()).toBeGreaterThan(60 * 15);
    await page.getByText("Show all").click();
    expect(await height()).toBe(folded);
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations).toEqual([]);
  });

  test("arrow up in an empty message edits the last question, and Escape leads back", async ({ chat, page }) => {
    await chat.open(10);
    await chat.message.press("ArrowUp");
    await expect(chat.message).toBeFocused();
    for (const question of ["One?", "Two?"]) {
      await chat.ask(question);
      await expect(chat.metrics.last()).toBeVisible();
    }
    await chat.message.fill("typed");
    await chat.message.press("ArrowUp");
    await expect(chat.message).toBeFocused();
    await chat.message.fill("");
    await chat.message.press("ArrowUp");
    const edited = page.getByLabel("The question, edited").last();
    await expect(edited).toBeFocused();
    await expect(edited).toHaveValue("Two?");
    await page.keyboard.press("Escape");
    await expect(edited).toBeHidden();
    await expect(chat.message).toBeFocused();
    await page.getByRole("heading", { name: "SmolLM2" }).first().click();
    await page.keyboard.press("?");
    await expect(page.getByRole("dialog", { name: "Keys" })).toContainText("edits the last question");
  });
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false, tolerated: [/status of 422/] });

  test("a file goes with a question and comes back folded", async ({ chat, page }) => {
    await chat.open(20);
    await field(page).setInputFiles(NOTES);
    await chat.ask(QUESTION);
    await expect(chat.metrics).toBeVisible();
    await expect(chat.body).toContainText("Ada");
    await expect(file(page).locator("pre")).toBeHidden();
    await file(page).locator("summary").click();
    await expect(file(page).locator("pre")).toHaveText(NOTES.buffer.toString());
  });

  test("a refusal names the file and keeps what was typed", async ({ chat, page }) => {
    await chat.open(10);
    await field(page).setInputFiles(PICTURE);
    await chat.message.fill(QUESTION);
    await chat.send.click();
    await expect(chat.complaint).toContainText("`picture.txt` is not text");
    await expect(chat.complaint).toContainText("choose the files again");
    await expect(chat.message).toHaveValue(QUESTION);
  });

  test("a long question unfolds", async ({ chat, page }) => {
    await chat.open(10);
    await chat.ask("line\n".repeat(60));
    await expect(chat.metrics).toBeVisible();
    const height = async () => (await chat.questions.locator("p").boundingBox())?.height ?? 0;
    expect(await height()).toBeLessThan(400);
    await page.getByText("Show all").click();
    expect(await height()).toBeGreaterThan(900);
  });
});
