// Unfinished work in this browser, for as long as the server does not have it: lost connections, ended sessions,
// closed windows. One entry a person and what they work on; it is removed as soon as the server has it all.
"use strict";
const LocalCopy = (() => {
  const PREFIX = "plumbline.work.", OLDEST = 30 * 24 * 3600 * 1000;
  const name = (element) => PREFIX + element.dataset.keep;

  function get(element) {
    try { return JSON.parse(localStorage.getItem(name(element))); } catch { return null; }
  }
  // False where the browser keeps nothing: storage switched off or full.
  function set(element, entry) {
    try {
      localStorage.setItem(name(element), JSON.stringify({ ...entry, at: Date.now() }));
      return true;
    } catch { return false; }
  }
  function drop(element) {
    try { localStorage.removeItem(name(element)); } catch { /* nothing is kept there */ }
  }
  function forgetOld() {
    try {
      for (const key of Object.keys(localStorage)) {
        if (!key.startsWith(PREFIX)) continue;
        const { at } = JSON.parse(localStorage.getItem(key)) || {};
        if (!(Date.now() - at < OLDEST)) localStorage.removeItem(key);
      }
    } catch { /* nothing is kept there */ }
  }
  const isOf = (element, key) => key === name(element);
  return { get, set, drop, isOf, forgetOld };
})();
