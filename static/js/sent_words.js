// Forms of words beside the work, which htmx sends and whose answer takes the page's place: what keeps them from being
// sent is said at the form, where the words still stand.
"use strict";
(() => {
  const { wordsOf, isKept, keep, arrived, hold, tell } = KeptWords;
  // Of the form that asked; a swap is told of at its target.
  const ofForm = ({ target, detail }) => wordsOf((detail.requestConfig?.elt ?? target).closest("form"));
  const isWithoutWords = ({ detail }) => detail.requestConfig.triggeringEvent?.submitter?.hasAttribute("data-without-words");
  let onItsWay = null; // the field whose form it is
  let hasLeft = false; // whether there was a network to send it by
  let waiting = null; // the field of another form that was told to wait

  function refuse(field, why, then, link) {
    if (!LocalCopy.get(field)) keep(field, hasLeft); // another tab may have taken it away meanwhile
    let kept = "It is kept nowhere: copy what you wrote before you leave this page.";
    if (isKept(field)) kept = `What you wrote is kept in this browser; ${then}.`;
    if (!field.value.trim()) kept = `${then[0].toUpperCase()}${then.slice(1)}.`;
    tell(field, `${why} ${kept}`, link).classList.add("bad");
  }

  document.addEventListener("htmx:configRequest", (event) => {
    const field = ofForm(event);
    if (!field) return;
    const token = csrfToken(field.form);
    event.detail.parameters.csrfmiddlewaretoken = token;
    event.detail.headers["X-CSRFToken"] = token;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    const field = ofForm(event);
    if (!field) return;
    if (onItsWay) { // its answer takes the page's place, and with it the form that would be sent now
      event.preventDefault();
      if (field === onItsWay) return;
      waiting = field;
      tell(field, "Something else on this page is being sent; send this when its answer is here.");
      return;
    }
    onItsWay = field;
    hasLeft = navigator.onLine;
    for (const old of document.querySelectorAll(".note.refused")) old.remove(); // it was about what stood there before
    tell(field, "");
    keep(field, hasLeft && !isWithoutWords(event));
    hold(field, true);
  });
  for (const kind of ["htmx:afterRequest", "htmx:onLoadError"]) document.addEventListener(kind, (event) => {
    const field = ofForm(event);
    if (!field) return;
    hold(field, false);
    if (waiting?.isConnected) tell(waiting, "");
    onItsWay = waiting = null;
  });

  document.addEventListener("htmx:beforeOnLoad", (event) => { // before htmx loads the page again to sign in
    const field = ofForm(event);
    if (!field || !event.detail.xhr.getResponseHeader("HX-Refresh")) return;
    event.preventDefault();
    keep(field);
    refuse(field, "Not sent: you were signed out.", "sign in again, then send it", { href: "/login/", textContent: "Sign in in a new tab" });
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const field = ofForm(event), { detail } = event;
    if (!field) return;
    // Ours holds the form again, also where it refuses the words; anything else came from something in between.
    const isOurs = detail.serverResponse.includes(`data-keep="${field.dataset.keep}"`);
    const isRefused = detail.xhr.status === 400 && isOurs;
    if (isRefused) Object.assign(detail, { shouldSwap: true, isError: false });
    if (!detail.shouldSwap) return;
    if (!isOurs) {
      detail.shouldSwap = false;
      refuse(field, "Another page came as the answer, so it is not known whether it was sent.", "load the page again and see");
      return;
    }
    if (!isRefused && !isWithoutWords(event) && isKept(field)) arrived(field);
  });
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    const place = wordsOf(detail.requestConfig?.elt.closest("form")) && document.getElementById(detail.target.id);
    if (document.activeElement === document.body) place?.focus({ preventScroll: true }); // the button is gone
  });
  for (const kind of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(kind, (event) => {
    const field = ofForm(event);
    if (!field) return;
    if (hasLeft) refuse(field, "No answer from the server, so it is not known whether it was sent.", "send it again when the connection is back");
    else refuse(field, "Not sent: there is no network.", "send it again when the connection is back");
  });
  document.addEventListener("htmx:responseError", (event) => {
    const field = ofForm(event), { status } = event.detail.xhr;
    if (!field) return;
    if (status >= 500) { refuse(field, `The server failed (${status}), so it is not known whether it was sent.`, "load the page again and see"); return; }
    keep(field);
    if (status === 409) refuse(field, "Not sent: somebody else is signed in in this browser now.", "sign in as yourself, then send it");
    else refuse(field, `Not sent: the server refused it (${status}).`, "load the page again, then send it");
  });
})();
