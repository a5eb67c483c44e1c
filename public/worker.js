// @ts-check
// Tells, where the page is installed, that its server cannot be reached. It keeps that one page and its style, and never
// anything of a conversation.

const KEPT = "offline";

const worker = /** @type {any} */ (self);

worker.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(keep()));

worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { method, mode, destination } = event.request;
  if (method === "GET" && mode === "navigate") {
    event.respondWith(fetch(event.request).catch(() => caches.match("/offline")));
  } else if (method === "GET" && destination === "style") {
    event.respondWith(fetch(event.request).catch(() => kept(event.request)));
  }
});

async function keep() {
  const cache = await caches.open(KEPT);
  const page = await fetch("/offline", { cache: "reload" });
  const style = /href="([^"]+\.css)"/.exec(await page.clone().text());
  await cache.put("/offline", page);
  if (style) {
    await cache.add(style[1]);
  }
}

/** @param {Request} request */
async function kept(request) {
  return (await caches.match(request)) ?? Response.error();
}
