// @ts-check
// What scripts tell people: texts that the page brings in its language.

/** @type {Record<string, string>} */
const texts = JSON.parse(document.querySelector("meta[name=texts]")?.getAttribute("content") ?? "{}");

/**
 * @param {string} name of a text
 * @param {Record<string, string | number>} [values] of its gaps, `{…}`
 * @returns {string}
 */
export function say(name, values = {}) {
  return texts[name].replace(/\{(\w+)\}/g, (_, gap) => String(values[gap]));
}
