// @ts-check
// What can be done with answers and chats, where a script makes it quicker than loading the page anew.

import { conversation } from "./page.js";
import { say } from "./texts.js";

/** How long a button tells what it did, in milliseconds. */
const TOLD_MS = 2000;

export function watchActs() {
  document.addEventListener("click", onClick);
}

/** @param {MouseEvent} event */
async function onClick(event) {
  const link = event.target instanceof Element ? event.target.closest("a.copy") : null;
  if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey) {
    return;
  }
  // Without a clipboard, as on plain HTTP, the link shows the text.
  if (!navigator.clipboard) {
    return;
  }
  event.preventDefault();
  link.textContent = (await copyFrom(link.href)) ? say("copied") : say("not_copied");
  setTimeout(() => (link.textContent = say("copy")), TOLD_MS);
}

/**
 * @param {string} address of a text
 * @returns {Promise<boolean>} whether it is in the clipboard
 */
async function copyFrom(address) {
  try {
    const response = await fetch(address);
    if (!response.ok) {
      return false;
    }
    await navigator.clipboard.writeText(await response.text());
    return true;
  } catch {
    return false;
  }
}

/** Brings the list of chats up to date, the menu of the one that the page has become, and what is said of the model's
 * context. */
export async function showChats() {
  try {
    const response = await fetch(`/chats/list?current=${encodeURIComponent(conversation().value)}`);
    const template = document.createElement("template");
    template.innerHTML = response.ok ? await response.text() : "";
    for (const part of [...template.content.children]) {
      place(part);
    }
  } catch {
    // They are right again when the page is loaded.
  }
}

/**
 * Puts a part of the page in the place of the one before; one that names what it stands before, there.
 * @param {Element} part
 */
function place(part) {
  const old = document.getElementById(part.id);
  const before = part.getAttribute("data-before");
  if (before === null) {
    old?.replaceWith(part);
    return;
  }
  old?.remove();
  document.getElementById(before)?.before(part);
}

/**
 * Shows a button that withdraws a question as long as its answer waits for the one before it.
 * @param {HTMLElement} article
 * @param {boolean} waits
 */
export function offerWithdrawal(article, waits) {
  const button = article.querySelector(".withdraw");
  if (!waits) {
    button?.remove();
  } else if (!button) {
    article.append(withdrawal(article.dataset.run ?? ""));
  }
}

/**
 * @param {string} run
 * @returns {HTMLElement}
 */
function withdrawal(run) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "withdraw";
  button.textContent = say("withdraw");
  button.addEventListener("click", () => {
    button.disabled = true;
    fetch("/api/stop", {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams({ run }),
    }).catch(() => (button.disabled = false));
  });
  return button;
}
