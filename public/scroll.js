// @ts-check
// Keeps the end of the conversation in view while it grows, until the person scrolls up; then a button leads back.

/** So near the end counts as at the end, in CSS pixels. */
const NEAR = 8;

/** So far from the end a way back is worth a button, in windows. */
const FAR = 0.5;

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
 * @param {HTMLElement} jump the button
 * @param {boolean} atEnd whether to begin at its end
 */
export function watch(log, jump, atEnd) {
  pinned = atEnd;
  const offer = () => (jump.hidden = distance() < FAR * window.innerHeight);
  jump.addEventListener("click", () => {
    pin();
    offer();
  });
  window.addEventListener("scroll", () => {
    if (distance() <= NEAR) {
      pinned = true;
    } else if (window.scrollY < last) {
      pinned = false;
    }
    last = window.scrollY;
    offer();
  }, { passive: true });
  new ResizeObserver(() => {
    if (pinned) {
      pin();
    }
    offer();
  }).observe(log);
}
