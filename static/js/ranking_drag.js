// Drag: the pointer carries a copy of the tile; a row takes it as a tie, the line between two rows as a rank of its own.
"use strict";
const RankingDrag = (() => {
  let dragged = false;

  function grab(event, answer) {
    dragged = false;
    if (event.button !== 0) return;
    const start = { x: event.clientX, y: event.clientY };
    let ghost = null, target = null;
    const clear = () => { for (const { row } of Ranking.rows) row.classList.remove("over", "above", "below"); };
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
        Ranking.choose(answer, false);
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
        if (target.edge) Ranking.insert(answer, target.edge === "above" ? target.rank : target.rank + 1);
        else Ranking.put(answer, target.rank);
      }
      setTimeout(() => { dragged = false; });
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  }

  // Which row the pointer is on, and whether on the line above or below it. On a phone the rows stand side by side.
  function aim(event) {
    const found = Ranking.rows.find(({ row }) => {
      const box = row.getBoundingClientRect();
      return event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    });
    if (!found || !found.rank || !found.tiles.children.length) return found;
    const box = found.row.getBoundingClientRect();
    const part = Ranking.narrow.matches ? (event.clientX - box.left) / box.width : (event.clientY - box.top) / box.height;
    return { ...found, edge: part < 0.2 ? "above" : part > 0.8 ? "below" : "" };
  }

  return { grab, dragged: () => dragged };
})();

// On a phone the answer in the middle of the screen is the one that a tap on a rank places.
const RankingScroll = (() => {
  let settled = 0; // until then scrolling is the page's own doing
  addEventListener("scroll", () => {
    if (!Ranking.narrow.matches || RankingDrag.dragged() || Date.now() < settled) return;
    const middle = innerHeight * 0.4;
    const read = Ranking.answers.find(({ card }) => {
      const box = card.getBoundingClientRect();
      return box.top <= middle && box.bottom >= middle;
    });
    if (read && read !== Ranking.current()) Ranking.choose(read, false);
  }, { passive: true });
  return { hold: () => { settled = Date.now() + 400; } };
})();
