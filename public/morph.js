// @ts-check
// Turns what a page shows into what it is to show, and keeps every node that stays: a selection, the focus and how far
// a box is scrolled live in nodes. Children are compared by their place, since answers grow at their end.

/** Marks what scripts add to what the server rendered; it stays. */
export const ADDED = "added";

/**
 * The nodes of HTML, without comments, which stand in a rendering for what is not there.
 * @param {string} html
 * @returns {DocumentFragment}
 */
export function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const comments = document.createTreeWalker(template.content, NodeFilter.SHOW_COMMENT);
  const found = [];
  while (comments.nextNode()) {
    found.push(/** @type {Comment} */ (comments.currentNode));
  }
  for (const comment of found) {
    comment.remove();
  }
  return template.content;
}

/**
 * Makes of a node what `wanted` is, which must be of its kind.
 * @param {Node} shown
 * @param {Node} wanted
 */
export function morph(shown, wanted) {
  if (shown.isEqualNode(wanted)) {
    return;
  }
  if (shown instanceof CharacterData && wanted instanceof CharacterData) {
    rewrite(shown, wanted.data);
  } else if (shown instanceof Element && wanted instanceof Element) {
    morphAttributes(shown, wanted);
    morphChildren(shown, wanted);
  }
}

/**
 * Makes the children of an element, from the one of that number on, those of `wanted`, which loses what is taken over.
 * @param {ParentNode & Node} shown
 * @param {ParentNode & Node} wanted
 * @param {number} from
 */
export function morphChildren(shown, wanted, from = 0) {
  let child = kept(shown.childNodes[from]);
  for (const next of [...wanted.childNodes]) {
    if (child === null) {
      shown.append(next);
      continue;
    }
    const after = kept(child.nextSibling);
    if (child.nodeName === next.nodeName) {
      morph(child, next);
    } else {
      shown.replaceChild(next, child);
    }
    child = after;
  }
  while (child !== null) {
    const after = kept(child.nextSibling);
    child.remove();
    child = after;
  }
}

/**
 * The next node that the server rendered for what is there.
 * @param {ChildNode | null | undefined} node
 * @returns {ChildNode | null}
 */
function kept(node) {
  while (node instanceof Comment || (node instanceof Element && node.classList.contains(ADDED))) {
    node = node.nextSibling;
  }
  return node ?? null;
}

/**
 * Changes no more of a text than what differs, so that a selection in the rest stays.
 * @param {CharacterData} shown
 * @param {string} wanted
 */
function rewrite(shown, wanted) {
  const most = Math.min(shown.length, wanted.length);
  let same = 0;
  while (same < most && shown.data[same] === wanted[same]) {
    same += 1;
  }
  shown.replaceData(same, shown.length - same, wanted.slice(same));
}

/**
 * @param {Element} shown
 * @param {Element} wanted
 */
function morphAttributes(shown, wanted) {
  for (const { name } of [...shown.attributes]) {
    if (!wanted.hasAttribute(name)) {
      shown.removeAttribute(name);
    }
  }
  for (const { name, value } of wanted.attributes) {
    if (shown.getAttribute(name) !== value) {
      shown.setAttribute(name, value);
    }
  }
}
