// The ranking board. The form's rank fields hold the truth; the board shows them and writes them, by key, click and
// drag. A row is a rank, answers in one row tie, the tray holds what is not ranked yet.
"use strict";
(() => {
  const form = document.getElementById("work");
  const board = document.getElementById("board");
  const left = document.getElementById("left");
  const submit = document.getElementById("submit");
  const said = document.getElementById("said");
  const help = document.getElementById("keys");
  const answers = [...document.querySelectorAll(".answer")].map((card) => ({
    card,
    id: card.dataset.id,
    letter: card.dataset.letter,
    rank: form.elements[`rank-${card.dataset.id}`],
    ratings: [...card.querySelectorAll("input[type=radio]")],
  }));
  const K = answers.length;
  const narrow = matchMedia("(max-width: 720px)");
  let current = answers[0];
  let settled = 0; // until then scrolling is the page's own doing

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const rankOf = (answer) => Number(answer.rank.value);
  const ratingOf = (answer) => answer.ratings.find((r) => r.checked)?.value;
  const at = (rank) => answers.filter((a) => rankOf(a) === rank);
  const say = (text) => { said.textContent = text; };

  // The board: rows 1 … K, then the tray as row 0.
  const rows = [...Array.from({ length: K }, (_, i) => i + 1), 0].map((rank) => {
    const row = element("div", rank ? "row" : "row tray");
    row.dataset.rank = rank;
    const place = element("button", "place-here");
    place.type = "button";
    place.append(rank === 1 ? "Best" : rank ? String(rank) : "To rank");
    place.addEventListener("click", () => put(current, rank));
    const tiles = element("div", "tiles");
    tiles.setAttribute("role", "group");
    tiles.setAttribute("aria-label", rank ? `At rank ${rank}` : "Not ranked yet");
    row.append(place, tiles);
    row.addEventListener("click", (event) => { if (event.target === row || event.target === tiles) put(current, rank); });
    return { rank, row, place, tiles };
  });
  for (const answer of answers) {
    answer.tile = element("button", "tile");
    answer.tile.type = "button";
    answer.tile.append(element("span", "letter", answer.letter), element("span", "rated num"));
    answer.tile.addEventListener("click", () => { if (!dragged) choose(answer, true); });
    answer.tile.addEventListener("pointerdown", (event) => grab(event, answer));
  }
  board.append(...rows.map((r) => r.row));
  board.hidden = false;

  function draw() {
    for (const { rank, row, place, tiles } of rows) {
      const here = at(rank);
      const order = [...tiles.children];
      if (order.length !== here.length || here.some((a, i) => a.tile !== order[i])) {
        const focused = document.activeElement;
        tiles.replaceChildren(...here.map((a) => a.tile));
        if (focused?.classList.contains("tile")) focused.focus({ preventScroll: true });
      }
      row.classList.toggle("tie", rank > 0 && here.length > 1);
      place.setAttribute("aria-label", rank
        ? `Place answer ${current.letter} at rank ${rank}${rank === 1 ? ", best" : ""}`
        : `Take answer ${current.letter} out of the ranking`);
    }
    for (const answer of answers) {
      const on = answer === current;
      const rating = ratingOf(answer);
      answer.card.classList.toggle("on", on);
      answer.tile.classList.toggle("on", on);
      answer.tile.setAttribute("aria-pressed", String(on));
      answer.tile.lastChild.textContent = rating ?? "–";
      answer.tile.setAttribute("aria-label", `Answer ${answer.letter}, ${rating ? `rated ${rating}` : "not rated"}`);
    }
    const open = at(0).length;
    left.textContent = open ? `${open} of ${K} left to rank` : "All ranked";
    submit.disabled = open > 0 || submit.hasAttribute("aria-busy");
  }

  function choose(answer, show) {
    current = answer;
    draw();
    if (show) {
      settled = Date.now() + 400;
      answer.card.scrollIntoView({ block: "nearest" });
      answer.card.focus({ preventScroll: true });
    }
  }

  function changed(field) {
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function put(answer, rank) {
    answer.rank.value = rank || "";
    changed(answer.rank);
    const others = rank ? at(rank).filter((a) => a !== answer).map((a) => a.letter) : [];
    const open = at(0).length;
    say(`Answer ${answer.letter} ${rank ? `at rank ${rank}` : "not ranked"}${others.length ? `, tied with ${others.join(" and ")}` : ""}. ${open ? `${open} left to rank.` : "All ranked."}`);
    choose(answer, false);
    if (narrow.matches) answer.tile.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  // Make room at `rank`: what stands there or below moves one down, closing the first gap on the way.
  function insert(answer, rank) {
    answer.rank.value = "";
    const taken = [...new Set(answers.map(rankOf).filter((r) => r > 0))].sort((a, b) => a - b);
    let gap = rank;
    while (taken.includes(gap)) gap += 1;
    if (gap <= K) {
      for (const other of answers) if (rankOf(other) >= rank && rankOf(other) < gap) other.rank.value = rankOf(other) + 1;
      put(answer, rank);
      return;
    }
    // Full to the last row: there is a gap above, since an answer was taken out; close it upwards instead.
    gap = rank - 1;
    while (taken.includes(gap)) gap -= 1;
    if (gap < 1) { put(answer, Math.min(rank, K)); return; }
    for (const other of answers) if (rankOf(other) > gap && rankOf(other) < rank) other.rank.value = rankOf(other) - 1;
    put(answer, rank - 1);
  }

  function step(by) {
    const index = answers.indexOf(current) + by;
    if (index >= 0 && index < K) choose(answers[index], true);
  }

  function rate(value) {
    const radio = current.ratings[value - 1];
    radio.checked = !radio.checked;
    changed(radio);
    say(radio.checked ? `Answer ${current.letter} rated ${value} of 7.` : `Rating of answer ${current.letter} taken back.`);
    draw();
  }

  function tieWithAbove() {
    const from = rankOf(current) || K + 1;
    for (let rank = from - 1; rank > 0; rank -= 1) if (at(rank).length) { put(current, rank); return; }
  }

  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (target.matches("textarea, select, input:not([type=radio])")) return;
    const digit = /^(?:Digit|Numpad)([1-9])$/.exec(event.code)?.[1];
    const arrow = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const key = event.key.length === 1 ? event.key.toLowerCase() : "";
    if (arrow && !event.shiftKey && target.matches("input[type=radio]")) return;
    if (digit && event.shiftKey) { if (digit <= K) put(current, Number(digit)); }
    else if (digit) { if (digit <= 7) rate(Number(digit)); }
    else if (arrow && event.shiftKey) put(current, Math.max(1, Math.min(K, (rankOf(current) || (arrow > 0 ? 0 : K + 1)) + arrow)));
    else if (arrow) step(arrow);
    else if (event.key === "?") help.showModal();
    else if (key === "j") step(1);
    else if (key === "k") step(-1);
    else if (key === "t") tieWithAbove();
    else if (key === "u") { if (at(rankOf(current)).length > 1 && rankOf(current)) insert(current, rankOf(current) + 1); }
    else if (key === "x") put(current, 0);
    else return;
    event.preventDefault();
  });

  // Drag: the pointer carries a copy of the tile; a row takes it as a tie, the line between two rows as a rank of its own.
  let dragged = false;
  function grab(event, answer) {
    dragged = false;
    if (event.button !== 0) return;
    const start = { x: event.clientX, y: event.clientY };
    let ghost = null, target = null;
    const clear = () => { for (const { row } of rows) row.classList.remove("over", "above", "below"); };
    const move = (moved) => {
      if (!ghost) {
        if (Math.hypot(moved.clientX - start.x, moved.clientY - start.y) < 6) return;
        dragged = true;
        ghost = answer.tile.cloneNode(true);
        ghost.classList.add("ghost");
        ghost.setAttribute("aria-hidden", "true");
        document.body.append(ghost);
        document.body.classList.add("dragging");
        answer.tile.classList.add("lifted");
        choose(answer, false);
      }
      ghost.style.left = `${moved.clientX}px`;
      ghost.style.top = `${moved.clientY}px`;
      clear();
      target = aim(moved);
      target?.row.classList.add(target.edge || "over");
      moved.preventDefault();
    };
    const end = (ended) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
      ghost?.remove();
      document.body.classList.remove("dragging");
      answer.tile.classList.remove("lifted");
      clear();
      if (ghost && target && ended.type === "pointerup") {
        if (target.edge) insert(answer, target.edge === "above" ? target.rank : target.rank + 1);
        else put(answer, target.rank);
      }
      setTimeout(() => { dragged = false; });
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  // Which row the pointer is on, and whether on the line above or below it. On a phone the rows stand side by side.
  function aim(event) {
    const found = rows.find(({ row }) => {
      const box = row.getBoundingClientRect();
      return event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    });
    if (!found || !found.rank || !found.tiles.children.length) return found;
    const box = found.row.getBoundingClientRect();
    const part = narrow.matches ? (event.clientX - box.left) / box.width : (event.clientY - box.top) / box.height;
    return { ...found, edge: part < 0.2 ? "above" : part > 0.8 ? "below" : "" };
  }

  for (const answer of answers) {
    answer.card.addEventListener("focusin", () => { if (current !== answer) choose(answer, false); });
    answer.card.addEventListener("pointerdown", () => { if (current !== answer) choose(answer, false); });
  }
  form.addEventListener("input", draw);
  // On a phone the answer in the middle of the screen is the one that a tap on a rank places.
  addEventListener("scroll", () => {
    if (!narrow.matches || dragged || Date.now() < settled) return;
    const middle = innerHeight * 0.4;
    const read = answers.find(({ card }) => {
      const box = card.getBoundingClientRect();
      return box.top <= middle && box.bottom >= middle;
    });
    if (read && read !== current) choose(read, false);
  }, { passive: true });
  addEventListener("pageshow", draw);
  draw();
})();
