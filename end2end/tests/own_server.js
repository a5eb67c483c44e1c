// @ts-check
// A server with options of its own, beside the one that all other tests share.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { test } from "./chat_page.js";

/**
 * Tests of a server with these options.
 * @param {...string} options
 */
export function testOf(...options) {
  return tested(null, options);
}

/**
 * The same with an empty folder for models, which goes with it, and in an environment that has these variables beside ours.
 * @param {Record<string, string>} environment
 * @param {...string} options
 */
export function testIn(environment, ...options) {
  return tested(environment, options);
}

/** @param {Record<string, string> | null} environment @param {string[]} options */
function tested(environment, options) {
  return /** @type {typeof test.extend<{}, { server: string }>} */ (test.extend)({
    server: [
      async ({}, use) => {
        const program = process.env.NIBBLE_BINARY ?? "../target/release/nibble";
        const always = ["serve", "--database", "memory", "--addr", "127.0.0.1:0"];
        const home = environment && (await mkdtemp(join(tmpdir(), "nibble-")));
        const server = spawn(program, [...always, ...options], {
          stdio: ["ignore", "pipe", "inherit"],
          env: { ...process.env, ...environment, ...(home && { NIBBLE_HOME: home }) },
        });
        const ended = once(server, "exit");
        // It prints "ready at URL".
        const ready = once(createInterface(server.stdout), "line");
        const [line] = await Promise.race([ready, ended]);
        await use(String(line).split(" ").at(-1) ?? "");
        server.kill();
        await ended;
        if (home) {
          await rm(home, { recursive: true });
        }
      },
      { scope: "worker" },
    ],
    baseURL: ({ server }, use) => use(server),
  });
}
