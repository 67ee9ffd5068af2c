// Measures how a label comes to be: seconds at work (the page is seen and somebody did something in the last minute)
// and how many characters were typed and pasted. Both stand in the form's hidden fields `focus_seconds` and `signals`
// (JSON), so that every draft and the submit carry them. Fires "effort" on the form when a count changes.
"use strict";
(() => {
  const form = document.getElementById("work");
  const seconds = form?.elements.focus_seconds;
  const signals = form?.elements.signals;
  if (!seconds || !signals) return;
  const IDLE = 60000;
  const counts = { pasted: 0, pastes: 0, typed: 0 };
  try { Object.assign(counts, JSON.parse(signals.value || "{}")); } catch { /* a field that nobody filled in */ }
  let worked = 1000 * (Number(seconds.value) || 0);
  let acted = performance.now(), looked = acted;

  const act = () => { acted = performance.now(); };
  for (const name of ["keydown", "pointerdown", "pointermove", "wheel", "scroll", "input", "touchmove"]) {
    document.addEventListener(name, act, { passive: true, capture: true });
  }
  setInterval(() => {
    const now = performance.now();
    // A machine that slept counts one beat, not the night.
    if (document.visibilityState === "visible" && now - acted < IDLE) worked += Math.min(now - looked, 2000);
    looked = now;
    seconds.value = Math.floor(worked / 1000);
  }, 1000);

  const count = (name, characters) => {
    if (!characters) return;
    counts[name] += characters;
    if (name === "pasted") counts.pastes += 1;
    signals.value = JSON.stringify(counts);
    form.dispatchEvent(new CustomEvent("effort", { detail: counts }));
  };
  const isText = (target) => target instanceof Element && target.matches("textarea, input[type=text], input:not([type])");
  form.addEventListener("input", (event) => {
    if (!isText(event.target)) return;
    if (event.inputType === "insertText") count("typed", event.data?.length ?? 1);
    if (event.inputType === "insertLineBreak") count("typed", 1);
  });
  form.addEventListener("compositionend", (event) => count("typed", event.data?.length));
  form.addEventListener("paste", (event) => {
    if (isText(event.target)) count("pasted", event.clipboardData?.getData("text/plain").length);
  });
  form.addEventListener("drop", (event) => {
    if (isText(event.target)) count("pasted", event.dataTransfer?.getData("text/plain").length);
  });
})();
