// On a task that is closed: work that this browser still holds and that never became a label. Nothing typed is lost.
"use strict";
(() => {
  const panel = document.getElementById("unsent");
  const kept = LocalCopy.get(panel);
  if (!kept) return;
  if (kept.submitting && kept.key === panel.dataset.key) { LocalCopy.drop(panel); return; }
  const words = ["text", "note", "message"].map((name) => kept.mine[name]).filter(Boolean);
  const ranks = Object.keys(kept.mine).filter((name) => name.startsWith("rank-")).length;
  if (ranks) words.unshift(`A ranking of ${ranks} answer${ranks === 1 ? "" : "s"}.`);
  const list = panel.querySelector(".kept");
  for (const text of words) {
    const block = document.createElement("div");
    block.className = "said";
    block.dir = "auto";
    block.textContent = text;
    list.append(block);
  }
  panel.querySelector("button").addEventListener("click", () => {
    LocalCopy.drop(panel);
    panel.hidden = true;
  });
  panel.hidden = words.length === 0;
})();
