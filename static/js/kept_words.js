// Words written beside the work: questions and flags, feedback, answers, announcements, why a task is skipped. This
// browser keeps them, and what is chosen with them, until the server has them. The forms work without any of this.
"use strict";
const KeptWords = (() => {
  const KEEP = "[data-keep]:is(textarea, input)";
  const wordsOf = (form) => form?.querySelector(KEEP);
  const isTick = (field) => field.type === "checkbox" || field.type === "radio";
  const choices = (form) => [...form.elements].filter((one) => one.name && (isTick(one) || one.type === "date"));
  const isKept = (field) => LocalCopy.get(field)?.words === field.value;

  // What is typed stays, also where the form was sent and nobody knows whether it arrived (`isSent`).
  function keep(field, isSent = false) {
    if (!field.value.trim()) { LocalCopy.drop(field); return; }
    const chosen = choices(field.form).map((one) => (isTick(one) ? one.checked : one.value));
    LocalCopy.set(field, { words: field.value, chosen, isSent });
  }
  // The server has them. Other tabs hear of it by the entry that goes.
  function arrived(field) {
    LocalCopy.set(field, { words: field.value, hasArrived: true });
    LocalCopy.drop(field);
  }
  // While a form is on its way: what is written or chosen meanwhile would go with it.
  function hold(field, is) {
    field.readOnly = is;
    for (const one of choices(field.form)) one[isTick(one) ? "disabled" : "readOnly"] = is;
  }

  // New on the page: what was refused is in its field, and what nobody has is put back there.
  function take(part) {
    for (const field of part.querySelectorAll(KEEP)) {
      const isAlone = field.form.hasAttribute("hx-post"); // else the page's own script sends it with something else
      hold(field, false); // a browser may bring back on reload that it was on its way
      if (isAlone) tell(field, ""); // a place that is there before a sentence comes into it is read out
      const kept = LocalCopy.get(field), typed = field.value;
      const isRefused = typed && typed === field.defaultValue;
      if (!kept || isRefused) { keep(field); continue; }
      // Typed before this script ran, or put back by the browser on the way back to the page.
      const isNew = typed && typed !== kept.words;
      field.value = isNew ? `${kept.words}\n${typed}` : kept.words;
      choices(field.form).forEach((one, at) => {
        if (isTick(one)) one.checked = Boolean(kept.chosen?.[at]);
        else one.value = kept.chosen?.[at] ?? "";
      });
      if (isNew) keep(field, kept.isSent);
      if (!isAlone) continue;
      tell(field, kept.isSent
        ? "Taken over from this browser. It was sent, but no answer came: see whether it has arrived before you send it again."
        : "Not sent yet: taken over from this browser.");
      field.closest("details.ask")?.setAttribute("open", "");
    }
  }

  // A sentence at the form.
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

  for (const kind of ["input", "change"]) document.addEventListener(kind, ({ target }) => {
    const field = wordsOf(target.form);
    if (field && !field.readOnly) keep(field); // on its way it was kept as sent; leaving the field changes nothing
  });
  document.addEventListener("htmx:load", ({ target }) => take(target)); // at first of the whole page

  // Another tab took the copy away. The words of this one are kept again, unless they are those that arrived.
  addEventListener("storage", ({ key, oldValue, newValue }) => {
    if (newValue !== null) return;
    const gone = LocalCopy.parse(oldValue);
    for (const field of document.querySelectorAll(KEEP)) {
      if (!LocalCopy.isOf(field, key) || field.readOnly) continue;
      if (!gone?.hasArrived || gone.words !== field.value) { keep(field); continue; }
      field.value = "";
      tell(field, "Sent from another tab.");
    }
  });
  LocalCopy.forgetOld();
  return { wordsOf, isKept, keep, arrived, hold, tell };
})();
