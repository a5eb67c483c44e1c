// @ts-check
// What the modules share: the parts of the page, and what is kept in the browser.

/**
 * @template {HTMLElement} T
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function find(selector, type) {
  const element = document.querySelector(selector);
  if (element instanceof type) {
    return element;
  }
  throw new Error(`the page has no \`${selector}\``);
}

/** The answer that is being written; others may wait behind it.
 * @returns {HTMLElement | null} */
export const running = () => document.querySelector("#log > .answer:not(:has(.final))");

/** The name of this page's conversation; empty for one that is still to begin. */
export const conversation = () => find("#composer [name=conversation]", HTMLInputElement);

/** Tells whoever cannot see it; the same words twice would be read twice.
 * @param {string} text */
export function announce(text) {
  const status = find("#status", HTMLElement);
  if (status.textContent !== text) {
    status.textContent = text;
  }
}

/**
 * Reads what was kept under a name; nothing where a browser keeps nothing.
 * @param {() => Storage} storage
 * @param {string} name
 * @returns {string | null}
 */
export function kept(storage, name) {
  try {
    return storage().getItem(`nibble.${name}`);
  } catch {
    return null;
  }
}

/**
 * @param {() => Storage} storage
 * @param {string} name
 * @param {string} value
 */
export function keep(storage, name, value) {
  try {
    storage().setItem(`nibble.${name}`, value);
  } catch {
    // A browser that keeps nothing loses nothing that the page promised.
  }
}

/** Of this tab. */
export const tab = () => sessionStorage;

/** Of this browser. */
export const browser = () => localStorage;
