// Words written beside the work: questions and flags, feedback, answers, announcements, why a task is skipped. This
// browser keeps them until the server has them, and what keeps them from being sent is said at their form, which htmx
// sends. The forms work without any of this.
"use strict";
(() => {
  const KEEP = "[data-keep]:is(textarea, input)";
  // Of the form that asked; a swap is told of at its target.
  const ofForm = (event) => (event.detail.requestConfig?.elt ?? event.target).closest("form")?.querySelector(KEEP);
  const KEPT = "What you wrote is kept in this browser";

  // The sentence at a field: `link` where it leads somewhere.
  function tell(field, text, link) {
    const { form } = field;
    let note = form.querySelector(".told");
    if (!note) {
      note = document.createElement("p");
      note.className = "note told";
      note.setAttribute("role", "status");
      field.after(note);
    }
    note.replaceChildren(text);
    if (link) {
      const anchor = document.createElement("a");
      Object.assign(anchor, { ...link, target: "_blank", rel: "opener" });
      note.append(" ", anchor);
    }
    note.hidden = !text;
  }
  function refuse(field, ...said) {
    tell(field, ...said);
    field.form.querySelector(".told").classList.add("bad");
  }

  function keep(field) {
    if (field.value.trim()) LocalCopy.set(field, { words: field.value });
    else LocalCopy.drop(field);
  }
  // New on the page: what was refused is in its field, and what was never sent is put back there.
  function take(part) {
    for (const field of part.querySelectorAll(KEEP)) {
      if (field.value) { keep(field); continue; }
      const kept = LocalCopy.get(field);
      if (!kept) continue;
      field.value = kept.words;
      if (!field.form.hasAttribute("hx-post")) continue;
      tell(field, "Not sent yet: taken over from this browser.");
      field.closest("details.ask")?.setAttribute("open", "");
    }
  }

  document.addEventListener("input", ({ target }) => { if (target.matches(KEEP)) keep(target); });
  document.addEventListener("htmx:load", ({ target }) => { if (target !== document.body) take(target); });

  document.addEventListener("htmx:configRequest", (event) => {
    const field = ofForm(event);
    if (!field) return;
    const token = csrfToken(field.form);
    event.detail.parameters.csrfmiddlewaretoken = token;
    event.detail.headers["X-CSRFToken"] = token;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.matches("details:not([open])")) event.preventDefault(); // nobody reads what is folded
    const field = ofForm(event);
    if (!field) return;
    tell(field, "");
    field.readOnly = true; // what is written while it is on its way would go with the form
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const field = ofForm(event);
    if (field) field.readOnly = false;
  });
  document.addEventListener("htmx:beforeOnLoad", (event) => { // before htmx loads the page again to sign in
    const field = ofForm(event), thread = event.target.querySelector(".so-far");
    if (!(field || thread) || !event.detail.xhr.getResponseHeader("HX-Refresh")) return;
    event.preventDefault();
    if (!field) thread.textContent = "What was said so far cannot be loaded: you were signed out.";
    else refuse(field, `Not sent: you were signed out. ${KEPT}; sign in again, then send it.`, { href: "/login/", textContent: "Sign in in a new tab" });
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const field = ofForm(event);
    const { detail } = event;
    if (!field) return;
    // A page that refuses the words holds them, and a reason.
    if (detail.xhr.status === 400 && detail.serverResponse.includes("data-keep=")) Object.assign(detail, { shouldSwap: true, isError: false });
    const { submitter } = detail.requestConfig.triggeringEvent ?? {};
    if (detail.shouldSwap && !submitter?.hasAttribute("data-without-words")) LocalCopy.drop(field);
  });
  for (const kind of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(kind, (event) => {
    const field = ofForm(event);
    if (field) refuse(field, `No answer from the server, so it is not known whether it was sent. ${KEPT}; send it again when the connection is back.`);
    else event.target.querySelector(".so-far")?.replaceChildren("What was said so far cannot be loaded: no answer from the server.");
  });
  document.addEventListener("htmx:responseError", (event) => {
    const field = ofForm(event);
    if (field) refuse(field, `Not sent: the server refused it (${event.detail.xhr.status}). ${KEPT}; load the page again, then send it.`);
  });

  take(document);
})();
