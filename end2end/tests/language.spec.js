// @ts-check
// The page in Chinese: by what the browser prefers, and by the switch.
import { AxeBuilder } from "@axe-core/playwright";

import { expect, test } from "./chat_page.js";

/** What a Chinese page writes in Latin letters all the same: names, keys, files, units, what everybody calls so. */
const LATIN = [
  "ChatGPT", "CPU", "Ctrl", "English", "Enter", "Escape", "GB", "HTML", "JSON", "KiB", "Markdown", "MB", "Min-p", "Nibble",
  "Open", "Python", "Shift", "Top-k", "Top-p", "TTFT", "WebUI", "token", "us-east-1",
];

/**
 * Latin words that are seen on a page, or heard: texts, labels, titles and placeholders. What the person, the model and the
 * engine wrote is theirs.
 * @param {import("@playwright/test").Page} page
 */
async function latinWords(page) {
  const told = await page.evaluate(() => {
    const theirs = ".prose, .tail, .question p, textarea, .model, head, script, style, #machine, .chat-rows a, .chats .title, h1 + .facts";
    const told = [document.title];
    for (const element of document.querySelectorAll("body *")) {
      if (element.closest(theirs)) {
        continue;
      }
      for (const name of ["aria-label", "title", "placeholder", "alt"]) {
        told.push(element.getAttribute(name) ?? "");
      }
      for (const node of element.childNodes) {
        told.push(node.nodeType === Node.TEXT_NODE ? (node.textContent ?? "") : "");
      }
    }
    return told;
  });
  const model = (await page.locator("header h1").textContent({ timeout: 100 }).catch(() => "")) ?? "";
  const words = told.join("\n").match(/[A-Za-z][A-Za-z0-9.-]+/g) ?? [];
  const known = (/** @type {string} */ word) => LATIN.includes(word) || model.includes(word) || /^[crm]\d\w+\.4xlarge/.test(word);
  return words.filter((word) => !known(word));
}

test.describe("for a browser that prefers Chinese", () => {
  test.use({ locale: "zh-CN", tolerated: [/status of 4/] });

  test("no page, menu, answer or complaint has a word of another language", async ({ page }) => {
    const message = page.getByRole("textbox", { name: "消息" });
    await page.goto("/");
    await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
    await page.getByText("更多设置").click();
    await page.getByRole("button", { name: "快捷键" }).click();
    expect(await latinWords(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "发送" }).click();
    await expect(page.getByRole("alert").first()).toHaveText("消息为空。");
    await page.getByRole("slider", { name: "最大输出 token 数" }).fill("60");
    await page.getByRole("button", { name: "简短回答" }).click();
    await expect(page.getByRole("article", { name: "问题" })).toContainText("天空为什么是蓝色的？");
    const metrics = page.getByRole("group", { name: "指标" });
    await expect(metrics).toBeVisible();
    await metrics.getByText("更多").click();
    await expect(metrics.getByText("首个 token 时间 (TTFT)").last()).toBeVisible();
    expect(await latinWords(page)).toEqual([]);
    await page.getByRole("button", { name: "当前对话" }).click();
    await expect(page.getByRole("button", { name: "重命名" })).toBeVisible();
    expect(await latinWords(page)).toEqual([]);
    await page.keyboard.press("Escape");
    await page.getByLabel("每小时价格").fill("-1");
    await message.fill("你好");
    await page.getByRole("button", { name: "发送" }).click();
    await expect(page.getByRole("alert").first()).toContainText("每小时价格必须是 0 到 10,000 之间的数");
    expect(await latinWords(page)).toEqual([]);
    for (const path of ["/chats", "/chats?q=%E6%97%A0", "/nowhere", `/c/${"0".repeat(32)}`, "/offline"]) {
      await page.goto(path);
      expect(await latinWords(page), path).toEqual([]);
      expect((await new AxeBuilder({ page }).analyze()).violations, path).toEqual([]);
    }
  });

  test("what an answer is at is told in Chinese while it is written", async ({ page }) => {
    await page.goto("/");
    await page.locator("[name=temperature]").fill("0");
    await page.locator("[name=max_tokens]").fill("1000");
    await page.getByRole("textbox", { name: "消息" }).fill("从一数到一千：1, 2, 3");
    await page.getByRole("button", { name: "发送" }).click({ noWaitAfter: true });
    const line = page.locator(".tick");
    await expect(line).toHaveText(/token\/秒 · .*× 阅读速度 · 首个 token .*秒 · .* 秒/);
    expect(await latinWords(page)).toEqual([]);
    await page.getByRole("button", { name: "停止" }).click();
    await expect(page.getByText("已由你停止。")).toBeVisible();
    await expect(page.getByRole("status").first()).toHaveText("回答已停止。");
  });
});

test("the switch brings the other language, with what is typed and set, and is remembered", async ({ chat, page }) => {
  await chat.open(100);
  await chat.message.fill("a draft");
  await page.getByRole("button", { name: "中文" }).click();
  await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
  await expect(page.getByRole("textbox", { name: "消息" })).toHaveValue("a draft");
  await expect(page.getByRole("slider", { name: "最大输出 token 数" })).toHaveValue("100");
  await expect(page).toHaveURL("/");
  await page.goto("/chats");
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("对话");
  await page.getByRole("button", { name: "English" }).click();
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("Chats");
  await expect(page).toHaveURL("/chats");
});

test.describe("without JavaScript", () => {
  test.use({ javaScriptEnabled: false });

  test("the switch keeps what is typed, and an answer streams in the language that was chosen", async ({ chat, page }) => {
    await chat.open(30);
    await chat.message.fill("天空为什么是蓝色的？");
    await page.getByRole("button", { name: "中文" }).click();
    await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
    await expect(page.getByRole("textbox", { name: "消息" })).toHaveValue("天空为什么是蓝色的？");
    await expect(page.getByRole("slider", { name: "最大输出 token 数" })).toHaveValue("30");
    await page.getByRole("button", { name: "发送" }).click({ noWaitAfter: true });
    await expect(page.getByRole("group", { name: "指标" })).toBeVisible();
    expect(await latinWords(page)).toEqual([]);
  });
});
