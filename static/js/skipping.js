// The panel in which a task is skipped. A skip that is refused leaves it open as it was filled in, and says why.
"use strict";
(() => {
  const skip = document.querySelector(".skip-task");
  if (!skip) return;
  const panel = skip.querySelector("form");
  const refusal = document.getElementById("skip-refusal");
  const send = panel.querySelector("button:not([formaction])");

  function place() {
    // Below the button, or above it where there is more room: beside many answers the button stands low.
    skip.classList.remove("up");
    const { top, bottom } = skip.getBoundingClientRect();
    const isCut = panel.getBoundingClientRect().bottom > innerHeight;
    skip.classList.toggle("up", isCut && top > innerHeight - bottom);
  }
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

  panel.addEventListener("submit", async (event) => {
    if (event.submitter?.hasAttribute("formaction")) return; // leaving it for now, which nothing refuses
    event.preventDefault();
    send.disabled = true;
    Server.note(refusal, "");
    panel.elements.csrfmiddlewaretoken.value = Server.token();
    Draft.save(true);
    try {
      const answer = await Server.request(panel.action, "POST", new FormData(panel));
      if (Server.signedOut(answer)) return;
      const told = await answer.json();
      if (answer.ok) { Draft.leave(); location.assign(told.go); return; }
      refuse(told.detail);
    } catch {
      refuse("Not skipped: no answer from the server. Try again in a moment.");
    } finally {
      send.disabled = false;
    }
  });
  function refuse(sentence) {
    Server.note(refusal, sentence);
    place();
    panel.elements.reason.focus();
    panel.elements.reason.scrollIntoView({ block: "nearest" }); // with the sentence above it
  }
})();
