// @ts-check
// The release build with the default model, the program that NIBBLE_BINARY names, or the site at NIBBLE_URL, in Debian's
// Chromium.
import { createServer } from "node:net";
import { defineConfig } from "@playwright/test";

// Every worker reads this file again: the first choice of a port must stand.
process.env.NIBBLE_E2E_PORT ??= String(await freePort());
const site = process.env.NIBBLE_URL;
const url = site ?? `http://127.0.0.1:${process.env.NIBBLE_E2E_PORT}`;

export default defineConfig({
  testDir: "tests",
  // Answers take turns on one model: more workers would only wait.
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  timeout: 120_000,
  expect: { timeout: 60_000 },
  reporter: "list",
  use: {
    baseURL: url,
    // A site on this machine has a certificate of its own making.
    ignoreHTTPSErrors: Boolean(site),
    // What it fetches, tests could not stand in for.
    serviceWorkers: "block",
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
  webServer: site
    ? undefined
    : {
        command: `${process.env.NIBBLE_BINARY ?? "../target/release/nibble"} serve --database memory --addr 127.0.0.1:${process.env.NIBBLE_E2E_PORT}`,
        url: `${url}/health`,
        timeout: 120_000,
        stderr: "pipe",
      },
});

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => {
        if (address && typeof address === "object") {
          resolve(address.port);
        } else {
          reject(new Error("the system gave no port"));
        }
      });
    });
  });
}
