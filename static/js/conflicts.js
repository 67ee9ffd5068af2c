// Two questions that a workplace asks: whose version of a thing stands, and whether a ranking is really meant.
"use strict";
const Conflicts = (() => {
  const make = (tag, className, text) => {
    const made = document.createElement(tag);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const fieldOf = (form, name) => {
    const found = form.elements[name];
    return found instanceof RadioNodeList ? found[0] : found;
  };

  function title(form, of) {
    const fixed = { order: "The ranking", text: "Your answer", note: "The note", message: "Your next message" }[of];
    if (fixed) return fixed;
    const field = fieldOf(form, of);
    const letter = field?.closest(".answer")?.dataset.letter;
    const label = field?.closest(".field")?.querySelector("legend, label")?.firstChild?.textContent.trim() || of;
    return letter ? `Answer ${letter}: ${label}` : label;
  }

  function shown(form, values, of) {
    if (of !== "order") return values[of] === "true" ? "yes" : values[of] || "nothing";
    const ranks = new Map();
    for (const card of document.querySelectorAll(".answer")) {
      const rank = Number(values[`rank-${card.dataset.id}`] || 0);
      ranks.set(rank, [...(ranks.get(rank) || []), card.dataset.letter]);
    }
    const order = [...ranks.keys()].filter((rank) => rank).sort((a, b) => a - b).map((rank) => ranks.get(rank).join(" = "));
    const open = ranks.get(0);
    return [order.join(" > "), open && `not ranked: ${open.join(", ")}`, values.all_bad && "all bad"].filter(Boolean).join("; ") || "nothing ranked";
  }

  // One block for each thing that both changed; `settle(unit, takeTheirs)` is called with each choice.
  function show(panel, form, theirs, units, settle) {
    const mine = FormValues.read(form);
    panel.hidden = units.length === 0;
    panel.replaceChildren();
    if (!units.length) return;
    const heading = make("h2", "", "Changed here and in another tab");
    heading.tabIndex = -1;
    panel.append(heading, make("p", "soft", "Everything else was put together. Choose what stands; nothing is submitted before."));
    for (const of of units) {
      const block = make("div", "versus");
      block.dataset.unit = of;
      block.append(make("h3", "", title(form, of)));
      for (const [name, values, isTheirs] of [["Here", mine, false], ["In the other tab", theirs, true]]) {
        const side = make("div", "side");
        const text = make("div", "said", shown(form, values, of).slice(0, 20000));
        text.dir = "auto";
        const choose = make("button", "btn", isTheirs ? "Take the other" : "Keep this one");
        choose.type = "button";
        choose.setAttribute("aria-label", `${choose.textContent}: ${title(form, of)}`);
        choose.addEventListener("click", () => {
          block.remove();
          panel.hidden = !panel.querySelector("[data-unit]");
          settle(of, isTheirs);
        });
        side.append(make("p", "soft", name), text, choose);
        block.append(side);
      }
      panel.append(block);
    }
    panel.scrollIntoView({ block: "nearest" });
    heading.focus({ preventScroll: true });
  }

  function ask(dialog, sentences, confirmed) {
    dialog.querySelector(".why").replaceChildren(...sentences.map((sentence) => make("p", "", sentence)));
    dialog.returnValue = "";
    dialog.onclose = () => { if (dialog.returnValue === "yes") confirmed(); };
    dialog.showModal();
  }
  return { show, ask };
})();
