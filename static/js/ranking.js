// The ranking board. The form's fields hold the truth; the board shows them and writes them, by key, click and drag. A
// row is a rank, answers in one row tie, the tray holds what is not ranked yet.
"use strict";
const Ranking = (() => {
  const form = document.getElementById("work");
  const board = document.getElementById("board");
  const said = document.getElementById("said");
  const steps = document.getElementById("steps");
  const allBad = document.querySelector("input[name=all_bad]");
  const ties = form.dataset.ties === "true";
  const digits = form.dataset.digits; // the scale that a digit fills in; empty where the form has none
  const answers = [...document.querySelectorAll(".answer")].map((card) => ({
    card,
    id: card.dataset.id,
    letter: card.dataset.letter,
    rank: form.elements[`rank-${card.dataset.id}`],
    scale: digits ? [...card.querySelectorAll(`input[name="rate-${card.dataset.id}-${digits}"]`)] : [],
  }));
  const K = answers.length;
  const narrow = matchMedia("(max-width: 720px)");
  let current = answers[0];
  let step = "rate"; // what a digit does: rate or rank

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const rankOf = (answer) => Number(answer.rank.value);
  const ratingOf = (answer) => answer.scale.find((radio) => radio.checked)?.value;
  const at = (rank) => answers.filter((answer) => rankOf(answer) === rank);
  const names = (group) => group.map((answer) => answer.letter).join(" and ");
  const say = (text) => { said.textContent = text; };
  const changed = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));
  const groups = () => Array.from({ length: K }, (_, index) => at(index + 1)).filter((group) => group.length);

  // Rows 1 … K, then the tray as row 0.
  const rows = [...Array.from({ length: K }, (_, index) => index + 1), 0].map((rank) => {
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
    answer.tile.append(element("span", "letter", answer.letter));
    if (digits) answer.tile.append(element("span", "rated num"));
    answer.tile.addEventListener("click", () => { if (!RankingDrag.dragged()) choose(answer, true); });
    answer.tile.addEventListener("pointerdown", (event) => RankingDrag.grab(event, answer));
  }
  board.append(...rows.map((row) => row.row));
  board.hidden = false;

  // How much better a group is than the next one belongs to these two groups: it is there again when they are.
  const between = new Map();
  const selects = steps ? [...steps.querySelectorAll("select")] : [];
  const pair = (upper, lower) => [upper, lower].map((group) => group.map((answer) => answer.letter).sort().join("")).join(">");
  function remember() {
    const now = groups();
    selects.forEach((select, index) => { if (now[index + 1] && select.value) between.set(pair(now[index], now[index + 1]), select.value); });
  }
  function drawSteps() {
    const now = groups();
    const unsaid = [];
    selects.forEach((select, index) => {
      const label = select.closest("label");
      const [upper, lower] = [now[index], now[index + 1]];
      label.hidden = !lower;
      select.value = lower ? between.get(pair(upper, lower)) || "" : "";
      if (!lower) return;
      if (!select.value) unsaid.push([names(upper), names(lower)]);
      label.querySelector(".which").textContent = `${names(upper)} over ${names(lower)}`;
      const home = narrow.matches ? steps : rows.find((row) => row.rank === rankOf(upper[0])).row;
      if (label.parentElement !== home) home.append(label);
    });
    return unsaid;
  }
  selects.forEach((select, index) => select.addEventListener("input", () => {
    const now = groups();
    if (now[index + 1]) between.set(pair(now[index], now[index + 1]), select.value);
  }));
  if (steps) steps.classList.add("on-board");

  function draw() {
    for (const { rank, row, place, tiles } of rows) {
      const here = at(rank);
      const order = [...tiles.children];
      if (order.length !== here.length || here.some((answer, index) => answer.tile !== order[index])) {
        const focused = document.activeElement;
        tiles.replaceChildren(...here.map((answer) => answer.tile));
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
      if (digits) answer.tile.lastChild.textContent = rating ?? "–";
      answer.tile.setAttribute("aria-label", `Answer ${answer.letter}${digits ? `, ${rating ? `rated ${rating}` : "not rated"}` : ""}`);
    }
    const isAllBad = Boolean(allBad?.checked);
    board.classList.toggle("all-bad", isAllBad);
    RankingMissing.show(answers, at(0), drawSteps(), isAllBad);
  }

  function choose(answer, show) {
    current = answer;
    draw();
    if (show) {
      RankingScroll.hold();
      answer.card.scrollIntoView({ block: "nearest" });
      answer.card.focus({ preventScroll: true });
    }
  }

  function put(answer, rank) {
    if (rank && !ties && at(rank).some((other) => other !== answer)) { insert(answer, rank); return; }
    answer.rank.value = rank || "";
    changed(answer.rank);
    const others = rank ? at(rank).filter((other) => other !== answer) : [];
    const open = at(0).length;
    say(`Answer ${answer.letter} ${rank ? `at rank ${rank}` : "not ranked"}${others.length ? `, tied with ${names(others)}` : ""}. ${open ? `${open} left to rank.` : "All ranked."}`);
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

  function rate(value) {
    const radio = current.scale.find((one) => Number(one.value) === value);
    if (!radio) return;
    radio.checked = !radio.checked;
    changed(radio);
    say(radio.checked ? `Answer ${current.letter} rated ${value} of ${current.scale.at(-1).value}.` : `Rating of answer ${current.letter} taken back.`);
  }

  function tieWithAbove() {
    if (!ties) { say("This project asks for an order without ties."); return; }
    const from = rankOf(current) || K + 1;
    for (let rank = from - 1; rank > 0; rank -= 1) if (at(rank).length) { put(current, rank); return; }
  }

  function untie() {
    if (rankOf(current) && at(rankOf(current)).length > 1) insert(current, rankOf(current) + 1);
  }

  function markAllBad() {
    allBad.checked = !allBad.checked;
    changed(allBad);
    say(allBad.checked ? "All answers marked bad." : "All bad taken back.");
  }

  function strengthen() {
    const now = groups();
    const select = selects[now.findIndex((group) => group.includes(current))];
    if (!select || select.closest("label").hidden) return;
    select.selectedIndex = (select.selectedIndex % (select.options.length - 1)) + 1;
    changed(select);
    say(`${select.closest("label").querySelector(".which").textContent}: ${select.selectedOptions[0].textContent}.`);
  }

  const tabs = [...document.querySelectorAll("[data-step]")];
  function setStep(name, told = true) {
    if (!digits) name = "rank";
    step = name;
    document.querySelector("main").dataset.digits = name;
    for (const tab of tabs) tab.setAttribute("aria-pressed", String(tab.dataset.step === name));
    if (told) say(name === "rate" ? "Digits rate." : "Digits place at a rank.");
  }
  for (const tab of tabs) tab.addEventListener("click", () => setStep(tab.dataset.step));
  // Answers are walked twice: each is rated alone, then they are ranked.
  function walk(by) {
    const index = answers.indexOf(current) + by;
    if (index >= 0 && index < K) { choose(answers[index], true); return; }
    if (!digits || (by > 0) !== (step === "rate")) return;
    setStep(by > 0 ? "rank" : "rate");
    choose(answers[by > 0 ? 0 : K - 1], true);
  }

  for (const answer of answers) {
    const choosing = () => { if (current !== answer) choose(answer, false); };
    answer.card.addEventListener("focusin", choosing);
    answer.card.addEventListener("pointerdown", choosing);
  }
  document.addEventListener("input", (event) => { if (event.target.form === form) draw(); });
  form.addEventListener("filled", () => { remember(); draw(); });
  narrow.addEventListener("change", draw);
  addEventListener("pageshow", draw);

  return {
    answers, rows, narrow, K, at, rankOf, put, insert, choose, rate, walk, tieWithAbove, untie, markAllBad, strengthen, setStep,
    current: () => current,
    step: () => step,
    start() {
      remember();
      const rated = digits && answers.every((answer) => ratingOf(answer));
      setStep(rated ? "rank" : "rate", false);
      draw();
    },
  };
})();
