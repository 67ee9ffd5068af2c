// The panel in which a task is skipped. A skip that is refused leaves it open as it was filled in, and says why.
"use strict";
(() => {
  const skip = document.querySelector(".skip-task");
  if (!skip) return;
  const panel = skip.querySelector("form");
  const refusal = document.getElementById("skip-refusal");
  const GAP = 16; // from the button and from what it must not cover, half each
  const LEAST = 160;
  const head = document.querySelector("header.top");
  const send = panel.querySelector("button:not([formaction])");

  function place() {
    // Below the button, or above it where there is more room: beside many answers the button stands low.
    const { top, bottom } = skip.getBoundingClientRect();
    const above = top - Math.max(0, head.getBoundingClientRect().bottom), below = visualViewport.height - bottom;
    skip.classList.toggle("up", panel.scrollHeight + GAP > below && above > below);
    const isUp = panel.getBoundingClientRect().top < top; // on a phone always
    panel.style.maxHeight = `${Math.max(LEAST, (isUp ? above : below) - GAP)}px`;
  }
  // The window's size, and what a keyboard on the screen leaves of it.
  for (const view of [globalThis, visualViewport]) view.addEventListener("resize", () => { if (skip.open) place(); });
  skip.addEventListener("toggle", () => {
    if (!skip.open) return;
    place();
    panel.querySelector("input:not([type=hidden])").focus();
  });
  skip.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    skip.open = false;
    skip.querySelector("summary").focus();
  });

  panel.addEventListener("input", () => Server.note(refusal, "")); // it was about what stood there before
  panel.addEventListener("submit", async (event) => {
    if (event.submitter?.hasAttribute("formaction")) return; // leaving it for now, which nothing refuses
    event.preventDefault();
    if (send.disabled) return; // the keys do not ask the button
    send.disabled = true;
    Server.note(refusal, "");
    panel.elements.csrfmiddlewaretoken.value = Server.token();
    Draft.save(true);
    try {
      const answer = await Server.request(panel.action, "POST", new FormData(panel));
      if (Server.signedOut(answer)) { refuse("Not skipped: you were signed out. Sign in, then skip again."); return; }
      if (!answer.headers.get("Content-Type")?.startsWith("application/json")) {
        refuse(`Not skipped: the server refused it (${answer.status}). Load the page again; what you wrote is kept.`);
        return;
      }
      const told = await answer.json();
      if (!answer.ok) { refuse(told.detail); return; }
      KeptWords.arrived(panel.elements.reason);
      Draft.leave();
      location.assign(told.go);
    } catch { // sent, perhaps: skipping twice changes nothing
      refuse("No answer from the server, so it is not known whether the task was skipped. Skip again in a moment.");
    }
  });
  function refuse(sentence) {
    send.disabled = false;
    Server.note(refusal, sentence);
    place();
    panel.elements.reason.focus();
    panel.elements.reason.scrollIntoView({ block: "nearest" }); // with the sentence above it
  }
})();
