// The editor of the demonstration page: preview, length beside what is usual, and undo that reaches beyond a reload.
// The text field holds the truth; draft.js saves it.
"use strict";
(() => {
  const form = document.getElementById("work");
  const text = form.elements.text;
  const preview = document.getElementById("preview");
  const views = document.getElementById("views");
  const [write, look] = [document.getElementById("show-text"), document.getElementById("show-preview")];
  const length = document.getElementById("length");
  const typical = document.getElementById("typical");
  const pasted = document.getElementById("pasted");
  const drafts = document.getElementById("drafts");
  const aboutPrompt = document.querySelector(".about-prompt");
  views.hidden = false;
  form.noValidate = true; // its bubble would not show beside a preview: submit.js says what is missing

  const show = (previewing) => {
    const turns = preview.hidden === previewing;
    if (previewing) preview.style.minHeight = `${text.offsetHeight}px`;
    preview.hidden = !previewing;
    text.hidden = previewing;
    write.setAttribute("aria-pressed", String(!previewing));
    look.setAttribute("aria-pressed", String(previewing));
    if (turns) (previewing ? preview : text).focus({ preventScroll: true });
  };
  write.addEventListener("click", () => show(false));
  look.addEventListener("click", () => { preview.replaceChildren("…"); show(true); }); // never what stood there before
  look.addEventListener("htmx:sendError", () => { preview.textContent = "No preview: no answer from the server. What you wrote is kept."; });
  look.addEventListener("htmx:responseError", ({ detail }) => { preview.textContent = `No preview: the server refused it (${detail.xhr.status}). What you wrote is kept.`; });

  // Where the text is, among the lengths that are usual.
  const place = (n) => {
    if (!typical) return;
    const [low, high] = [Number(typical.dataset.low), Number(typical.dataset.high)];
    const most = Math.max(1, high * 1.5);
    const x = (value) => 4 + 112 * Math.min(1, value / most);
    const usual = typical.querySelector(".usual");
    usual.setAttribute("x", x(low));
    usual.setAttribute("width", Math.max(4, x(high) - x(low)));
    typical.querySelector(".now").setAttribute("cx", x(n));
    typical.classList.toggle("outside", n > 0 && (n < low || n > high));
  };
  const tooLong = document.getElementById("too-long");
  const most = Number(text.dataset.max);
  const measure = () => {
    const words = FormValues.isBlank(text.value) ? 0 : text.value.match(/\S+/g).length;
    // Characters as the server counts them: an emoji is one.
    const characters = text.value.length - (text.value.match(/[\uD800-\uDBFF][\uDC00-\uDFFF]/g) || []).length;
    length.textContent = `${words} word${words === 1 ? "" : "s"}, ${characters} character${characters === 1 ? "" : "s"}`;
    place(words);
    tooLong.hidden = characters <= most;
    const todo = [words ? "" : "write an answer", RequiredFields.aboutPrompt(aboutPrompt).words].filter(Boolean);
    Submit.lacks(todo.length ? `Not submitted: first ${todo.join("; ")}.` : "");
  };
  for (const kind of ["input", "change"]) form.addEventListener(kind, measure);
  measure();

  const effort = (typed, from) => {
    if (typed + from === 0) return;
    pasted.textContent = `${typed} characters typed and ${from} pasted. Your team sees these counts and the time at work, never the keys.`;
  };
  effort(Number(pasted.dataset.typed), Number(pasted.dataset.pasted));
  form.addEventListener("effort", (event) => effort(event.detail.typed, event.detail.pasted));

  // Undo beyond a reload: where the field holds just what was loaded or taken back, the browser has nothing to undo,
  // and one more step leads to the draft before.
  let base = text.value, steps = null, at = 0, walking = false;
  const take = (value, isStep) => {
    if (isStep) form.dataset.step = "1"; // draft.js: what stands here now stays among the earlier drafts
    show(false);
    text.value = value;
    base = value;
    text.dispatchEvent(new Event("input", { bubbles: true }));
  };
  async function step(back) {
    if (walking) return;
    walking = true;
    try {
      steps ||= await earlier();
      const next = at + (back ? 1 : -1);
      if (next < 0 || next >= steps.length) return;
      const isFirst = at === 0;
      at = next;
      take(steps[at], isFirst);
    } catch { /* offline: the browser's own undo is still there */
      steps = null;
    } finally { walking = false; }
  }
  // The texts of the drafts, newest first, beginning with what stands in the field.
  async function earlier() {
    const answer = await fetch(drafts.dataset.texts, { credentials: "same-origin", headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const found = (await answer.json()).results.map((one) => one.draft.text ?? "");
    return [text.value, ...found].filter((one, index, all) => index === 0 || one !== all[index - 1]);
  }
  const forget = () => { steps = null; at = 0; };
  text.addEventListener("input", (event) => { if (event.isTrusted) forget(); });
  form.addEventListener("filled", () => { // from this browser's copy or from another tab
    if (text.value !== base) {
      base = text.value;
      forget();
      if (!preview.hidden) look.click();
    }
    measure();
  });
  text.addEventListener("keydown", (event) => {
    if (!drafts || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    const back = key === "z" && !event.shiftKey;
    const forth = key === "y" || (key === "z" && event.shiftKey);
    if ((!back && !forth) || text.value !== base || (forth && !at)) return;
    event.preventDefault();
    step(back);
  });
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey || event.key.toLowerCase() !== "e") return;
    event.preventDefault();
    (preview.hidden ? look : write).click();
  });
  drafts?.addEventListener("click", (event) => {
    if (!event.target.closest("[data-restore]")) return;
    event.preventDefault();
    take(drafts.querySelector(".kept").value, true);
    text.focus();
  });
})();
