// A workplace that is open: signs of life to the server and what they bring back, other forms of the page, and what
// happens when the page is left, comes back, or the network does.
"use strict";
const Lease = (() => {
  const form = document.getElementById("work");
  const lease = document.getElementById("lease");
  const withdrawn = document.getElementById("withdrawn");
  const instructions = document.getElementById("new-instructions");

  function closed(state) {
    lease.hidden = false;
    lease.textContent = `This task is ${state} already, in another tab perhaps.`;
  }

  async function beat() {
    if (document.visibilityState !== "visible" || Draft.isLeaving() || !form.dataset.draft) return;
    try {
      const answer = await Server.request(form.dataset.heartbeat, "POST", "{}", { headers: Server.json });
      if (Server.signedOut(answer)) return;
      if (answer.status === 404) { Server.note(Server.away, "You are signed in as somebody else now, whose task this is not. Your work is kept in this browser."); return; }
      Server.back();
      if (answer.status === 409) { closed("skipped"); return; }
      if (!answer.ok) return;
      const now = await answer.json();
      lease.hidden = now.state !== "expired";
      if (withdrawn) withdrawn.hidden = !now.is_withdrawn;
      if (instructions && now.newest_instructions > Number(instructions.dataset.version)) instructions.hidden = false;
      if (now.state === "submitted") closed("submitted");
      else await Draft.catchUp(now.draft_number);
      if (Submit.isUnderway()) Submit.send();
      else Draft.tryAgain();
    } catch { /* offline: the next draft or beat says so */ }
  }

  return { beat, closed };
})();

(() => {
  const form = document.getElementById("work");

  // Some of the form's fields stand beside it on the page, so the document listens.
  for (const kind of ["input", "change"]) document.addEventListener(kind, (event) => { if (event.target.form === form) Draft.changed(); });
  for (const other of document.querySelectorAll("form[action]:not(#work)")) {
    other.addEventListener("submit", (event) => {
      if (other.elements.csrfmiddlewaretoken) other.elements.csrfmiddlewaretoken.value = Server.token();
      if (other.hasAttribute("hx-post") || event.defaultPrevented) return; // skipping.js sends its own
      Draft.save(true);
      Draft.leave();
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") { Draft.keepCopy(); Draft.save(true); }
    else Lease.beat();
  });
  addEventListener("online", () => {
    if (Submit.isUnderway()) { Submit.send(); return; }
    Draft.tryAgain(true);
    Lease.beat();
  });
  addEventListener("beforeunload", (event) => {
    Draft.keepCopy();
    if (!Draft.isLeaving() && (Submit.isUnderway() || Draft.isUnsaved())) event.preventDefault();
  });
  addEventListener("pageshow", (event) => {
    // Back from the next page: the browser shows this one as it was left. Submitting it again is harmless.
    if (!event.persisted) return;
    Draft.leave(false);
    Submit.stop();
    Lease.beat();
  });
  setInterval(Lease.beat, 1000 * Number(form.dataset.heartbeatSeconds));
  Draft.start();
  Lease.beat();
})();
