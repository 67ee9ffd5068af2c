// Words written beside the work: questions and flags, feedback, answers, announcements, why a task is skipped. This
// browser keeps them, and what is chosen with them, until the server has them; what keeps them from being sent is said
// at their form, which htmx sends. The forms work without any of this.
"use strict";
(() => {
  const KEEP = "[data-keep]:is(textarea, input)";
  const wordsOf = (form) => form?.querySelector(KEEP);
  // Of the form that asked; a swap is told of at its target.
  const ofForm = ({ target, detail }) => wordsOf((detail.requestConfig?.elt ?? target).closest("form"));

  const isTick = (field) => field.type === "checkbox" || field.type === "radio";
  const choices = (form) => [...form.elements].filter((one) => one.name && (isTick(one) || one.type === "date"));

  // What is typed stays, also where the form was sent and nobody knows whether it arrived (`isSent`).
  function keep(field, isSent = false) {
    if (!field.value.trim()) { LocalCopy.drop(field); return; }
    const chosen = choices(field.form).map((one) => (isTick(one) ? one.checked : one.value));
    LocalCopy.set(field, { words: field.value, chosen, isSent });
  }
  // New on the page: what was refused is in its field, and what nobody has is put back there.
  function take(part) {
    for (const field of part.querySelectorAll(KEEP)) {
      const isSending = field.form.hasAttribute("hx-post");
      if (isSending) tell(field, ""); // a place that is there before a sentence comes into it is read out
      if (field.value) { keep(field); continue; }
      const kept = LocalCopy.get(field);
      if (!kept) continue;
      field.value = kept.words;
      choices(field.form).forEach((one, at) => {
        if (isTick(one)) one.checked = Boolean(kept.chosen[at]);
        else one.value = kept.chosen[at] ?? "";
      });
      if (!isSending) continue;
      tell(field, kept.isSent
        ? "Taken over from this browser. It was sent, but no answer came: see whether it has arrived before you send it again."
        : "Not sent yet: taken over from this browser.");
      field.closest("details.ask")?.setAttribute("open", "");
    }
  }

  function tell(field, text, link) {
    let note = field.form.querySelector(".told");
    if (!note) {
      note = document.createElement("p");
      note.className = "note told";
      note.setAttribute("role", "status");
      field.after(note);
    }
    note.replaceChildren(text);
    note.classList.remove("bad");
    if (link) {
      const anchor = document.createElement("a");
      Object.assign(anchor, { ...link, target: "_blank", rel: "opener" });
      note.append(" ", anchor);
    }
    return note;
  }
  function refuse(field, why, then, link) {
    const kept = LocalCopy.get(field)
      ? `What you wrote is kept in this browser; ${then}.`
      : "This browser keeps nothing: copy what you wrote before you leave this page.";
    tell(field, `${why} ${kept}`, link).classList.add("bad");
  }
  // At a fold whose thread did not come; what stands there stays.
  function without(fold, why) {
    let note = fold.querySelector(".not-loaded");
    if (!note) {
      note = document.createElement("p");
      note.className = "note bad not-loaded";
      note.setAttribute("role", "status");
      fold.querySelector(".thread").before(note);
    }
    note.textContent = why && `What was said so far cannot be loaded: ${why}.`;
  }

  for (const kind of ["input", "change"]) document.addEventListener(kind, ({ target }) => {
    const field = wordsOf(target.form);
    if (field) keep(field);
  });
  document.addEventListener("htmx:load", ({ target }) => take(target)); // at first of the whole page

  document.addEventListener("htmx:configRequest", (event) => {
    const field = ofForm(event);
    if (!field) return;
    const token = csrfToken(field.form);
    event.detail.parameters.csrfmiddlewaretoken = token;
    event.detail.headers["X-CSRFToken"] = token;
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.matches("details:not([open])")) event.preventDefault(); // nobody reads what is folded
    if (event.target.matches("details.ask[open]")) without(event.target, "");
    const field = ofForm(event);
    if (!field) return;
    tell(field, "");
    keep(field, navigator.onLine); // where there is no network it does not leave
    field.readOnly = true; // what is written while it is on its way would go with the form
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const field = ofForm(event);
    if (field) field.readOnly = false;
  });

  document.addEventListener("htmx:beforeOnLoad", (event) => { // before htmx loads the page again to sign in
    const field = ofForm(event), isFold = event.target.matches("details.ask");
    if (!(field || isFold) || !event.detail.xhr.getResponseHeader("HX-Refresh")) return;
    event.preventDefault();
    if (isFold) { without(event.target, "you were signed out"); return; }
    keep(field);
    refuse(field, "Not sent: you were signed out.", "sign in again, then send it", { href: "/login/", textContent: "Sign in in a new tab" });
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const field = ofForm(event), { detail } = event;
    if (!field) return;
    // Ours holds the form again, also where it refuses the words; anything else came from something in between.
    const isOurs = detail.serverResponse.includes(`data-keep="${field.dataset.keep}"`);
    if (detail.xhr.status === 400 && isOurs) Object.assign(detail, { shouldSwap: true, isError: false });
    if (!detail.shouldSwap) return;
    if (!isOurs) {
      detail.shouldSwap = false;
      refuse(field, "Another page came as the answer, so it is not known whether it was sent.", "load the page again and see");
      return;
    }
    const { submitter } = detail.requestConfig.triggeringEvent ?? {};
    if (!submitter?.hasAttribute("data-without-words") && LocalCopy.get(field)?.words === field.value) LocalCopy.drop(field);
  });
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    const place = wordsOf(detail.requestConfig?.elt.closest("form")) && document.getElementById(detail.target.id);
    if (document.activeElement === document.body) place?.focus({ preventScroll: true }); // the button is gone
  });
  for (const kind of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(kind, (event) => {
    const field = ofForm(event);
    if (field) refuse(field, LocalCopy.get(field)?.isSent === false ? "Not sent: there is no network." : "No answer from the server, so it is not known whether it was sent.", "send it again when the connection is back");
    else if (event.target.matches("details.ask")) without(event.target, "no answer from the server");
  });
  document.addEventListener("htmx:responseError", (event) => {
    const field = ofForm(event), { status } = event.detail.xhr;
    if (event.target.matches("details.ask")) without(event.target, `the server refused it (${status})`);
    if (!field) return;
    if (status >= 500) { refuse(field, `The server failed (${status}), so it is not known whether it was sent.`, "load the page again and see"); return; }
    keep(field);
    if (status === 409) refuse(field, "Not sent: somebody else is signed in in this browser now.", "sign in as yourself, then send it");
    else refuse(field, `Not sent: the server refused it (${status}).`, "load the page again, then send it");
  });

  // Another tab sent its words and took the copy away: those of this one are kept again.
  addEventListener("storage", ({ key, newValue }) => {
    if (newValue !== null) return;
    for (const field of document.querySelectorAll(KEEP)) if (LocalCopy.isOf(field, key)) keep(field);
  });
  LocalCopy.forgetOld();
})();
