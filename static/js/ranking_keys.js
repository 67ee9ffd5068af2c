// The ranking page by key: the board's keys, folding, comparing, and the list of all keys.
"use strict";
(() => {
  const help = document.getElementById("keys");
  const compare = document.getElementById("compare");
  const body = document.getElementById("compare-body");
  const { K, put, rankOf, walk } = Ranking;

  const compareWith = (card) => card.querySelector(".compare-link")?.click();
  document.body.addEventListener("htmx:afterSwap", (event) => {
    const asked = event.detail.requestConfig?.elt;
    if (event.target === body && asked?.matches(".compare-link") && !compare.open) compare.showModal();
  });
  for (const button of document.querySelectorAll("[data-open-keys]")) button.addEventListener("click", () => help.showModal());

  const fold = (card) => card.querySelector(".unfold")?.click();
  const fields = (card) => card.querySelector(".field-flag input, .field-choice input, .field-text textarea, .field-scale input")?.focus();

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const current = Ranking.current();
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (target.matches("textarea, select:not(.step select), input:not([type=radio], [type=checkbox])")) return;
    const digit = Number(/^(?:Digit|Numpad)([0-9])$/.exec(event.code)?.[1] ?? -1);
    const arrow = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (arrow && !event.shiftKey && target.matches("input[type=radio], select")) return;
    if (target.matches("select") && /^[sbcm ]$/.test(key)) return; // its own: the first letters of its options
    if (digit > 0 && (event.shiftKey || Ranking.step() === "rank")) { if (digit <= K) put(current, digit); }
    else if (digit > 0) Ranking.rate(digit);
    else if (digit === 0 || key === "Backspace" || key === "Delete") put(current, 0);
    else if (arrow && event.shiftKey) put(current, Math.max(1, Math.min(K, (rankOf(current) || (arrow > 0 ? 0 : K + 1)) + arrow)));
    else if (arrow) walk(arrow);
    else if (key === "?") help.showModal();
    else if (key === "j") walk(1);
    else if (key === "k") walk(-1);
    else if (key === "r") Ranking.setStep(Ranking.step() === "rate" ? "rank" : "rate");
    else if (key === "t") Ranking.tieWithAbove();
    else if (key === "u") Ranking.untie();
    else if (key === "x") Ranking.markAllBad();
    else if (key === "s") Ranking.strengthen();
    else if (key === "e") fold(current.card);
    else if (key === "d") compareWith(current.card);
    else if (key === "f") fields(current.card);
    else return;
    event.preventDefault();
  });
  Ranking.start();
})();
