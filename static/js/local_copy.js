// Unfinished work in this browser, for as long as the server does not have it: lost connections, ended sessions,
// closed windows. One entry a person and what they work on; it is removed as soon as the server has it all.
"use strict";
const LocalCopy = (() => {
  const PREFIX = "plumbline.work.", OLDEST = 30 * 24 * 3600 * 1000;
  const name = (element) => PREFIX + element.dataset.keep;

  // null for what is no entry.
  function parse(text) {
    try { return JSON.parse(text); } catch { return null; }
  }
  function get(element) {
    try { return parse(localStorage.getItem(name(element))); } catch { return null; } // storage may be switched off
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
        const isOld = !(Date.now() - parse(localStorage.getItem(key))?.at < OLDEST);
        if (key.startsWith(PREFIX) && isOld) localStorage.removeItem(key);
      }
    } catch { /* nothing is kept there */ }
  }
  const isOf = (element, key) => key === name(element);
  return { parse, get, set, drop, isOf, forgetOld };
})();
