// The fold beside the work that asks for what was said so far when it is opened: where that does not come it says so,
// and what stands there stays.
"use strict";
(() => {
  const foldOf = ({ target }) => (target.matches("details.ask") ? target : null);

  function without(fold, why) {
    let note = fold.querySelector(".not-loaded");
    if (!note) {
      note = document.createElement("p");
      note.className = "note bad not-loaded";
      note.setAttribute("role", "status");
      fold.querySelector(".so-far").before(note); // it goes with what takes their place
    }
    note.textContent = why && `What was said so far cannot be loaded: ${why}.`;
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    const fold = foldOf(event);
    if (!fold) return;
    if (fold.open) without(fold, "");
    else event.preventDefault(); // nobody reads what is folded
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => { // before htmx loads the page again to sign in
    const fold = foldOf(event);
    if (!fold || !event.detail.xhr.getResponseHeader("HX-Refresh")) return;
    event.preventDefault();
    without(fold, "you were signed out");
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const fold = detail.requestConfig.elt;
    if (!fold.matches("details.ask") || !detail.shouldSwap || detail.serverResponse.includes("so-far")) return;
    detail.shouldSwap = false;
    without(fold, "another page came as the answer");
  });
  for (const kind of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(kind, (event) => {
    const fold = foldOf(event);
    if (fold) without(fold, "no answer from the server");
  });
  document.addEventListener("htmx:responseError", (event) => {
    const fold = foldOf(event);
    if (fold) without(fold, `the server refused it (${event.detail.xhr.status})`);
  });
})();
