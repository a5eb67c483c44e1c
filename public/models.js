// @ts-check
// The page of models: how a fetch goes, and what came of it, without being loaded anew.

import { morph, morphChildren, parsed } from "./morph.js";

/** How long the page stays as it is when it may not follow a fetch. */
const REFUSED_MS = 5000;

/** Follows the fetch that the page tells of, to its end.
 * @param {HTMLElement} box */
export function followFetch(box) {
  const { events, page } = box.dataset;
  const soFar = box.querySelector(".so-far");
  if (!events || !page || !soFar) {
    return;
  }
  // A connection that is lost is made again by the browser itself, but for one that was refused.
  const source = new EventSource(events);
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => location.assign(page), REFUSED_MS);
    }
  });
  source.addEventListener("progress", (event) => morphChildren(soFar, parsed(event.data)));
  source.addEventListener("ended", () => {
    source.close();
    void renew(page);
  });
}

/** Shows the page as it is now, and keeps what is typed.
 * @param {string} page */
async function renew(page) {
  const shown = document.querySelector("main");
  try {
    const response = await fetch(page);
    const wanted = parsed(await response.text()).querySelector("main");
    if (response.ok && shown && wanted) {
      morph(shown, wanted);
      const box = document.querySelector("#fetching");
      if (box instanceof HTMLElement) {
        followFetch(box);
      }
      return;
    }
  } catch {
    // The browser says why.
  }
  location.assign(page);
}
