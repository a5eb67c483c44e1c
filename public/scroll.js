// @ts-check
// Keeps the end of the conversation in view while it grows, until the person scrolls up.

/** So near the end counts as at the end, in CSS pixels. */
const NEAR = 8;

let pinned = false;
let last = 0;

/** @returns {number} how far the end is below the window */
function distance() {
  const page = document.documentElement;
  return page.scrollHeight - page.clientHeight - window.scrollY;
}

/** Goes to the end and stays there. */
export function pin() {
  pinned = true;
  window.scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
}

/**
 * @param {Element} log what grows
 * @param {boolean} atEnd whether to begin at its end
 */
export function watch(log, atEnd) {
  pinned = atEnd;
  window.addEventListener("scroll", () => {
    if (distance() <= NEAR) {
      pinned = true;
    } else if (window.scrollY < last) {
      pinned = false;
    }
    last = window.scrollY;
  }, { passive: true });
  new ResizeObserver(() => {
    if (pinned) {
      pin();
    }
  }).observe(log);
}
