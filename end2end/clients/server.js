// @ts-check
// What the tests of every client from npm share: the servers that `check` starts, and what a test that passed shows of its client.

import { appendFileSync } from "node:fs";
import test from "node:test";

export const QUESTION = "What is 2 + 2?";
// More than any context that the default model has here.
export const TOO_LONG = "word ".repeat(20_000);

/** The base URL of a server, and the name of the model that it has loaded.
 * @param {string} variable the environment's name of its address */
async function server(variable) {
  const baseURL = `${process.env[variable]}/v1`;
  const models = await fetch(`${baseURL}/models`).then((response) => response.json());
  return { baseURL, model: /** @type {string} */ (models.data[0].id) };
}

export const { baseURL, model } = await server("NIBBLE_URL");
export const caller = await server("NIBBLE_CALLER_URL");

/** A test, and the features of its client that it shows to work.
 * @param {string} client
 * @param {string[]} features
 * @param {string} sentence
 * @param {() => Promise<void>} run */
export function shows(client, features, sentence, run) {
  test(`${client}: ${sentence}`, async () => {
    await run();
    const shown = process.env.NIBBLE_SHOWN;
    if (shown) {
      appendFileSync(shown, features.map((feature) => `${client}\t${feature}\n`).join(""));
    }
  });
}
