// Submit is sent until it is answered, always with the same key, so that a lost answer never makes a second label.
"use strict";
const Submit = (() => {
  const form = document.getElementById("work");
  const refusal = document.getElementById("refusal");
  const panel = document.getElementById("conflict");
  const doubts = document.getElementById("doubts");
  const go = document.querySelector(".go");
  let isUnderway = false, isInTheAir = false, isConfirmed = false, timer = 0, failures = 0;

  // What keeps it from being sent, in a sentence, or nothing. The button is not `disabled`: who presses it, by pointer
  // or by key, is told.
  let missing = "";
  function lacks(sentence) {
    if (missing && missing !== sentence && refusal.textContent === missing) Server.note(refusal, "");
    missing = sentence;
    go.setAttribute("aria-disabled", String(Boolean(sentence)));
  }

  // Without an argument, as a heart-beat or the network's return asks for it, what waits is sent again as it was.
  async function send(confirmed = isConfirmed) {
    if (Draft.isLeaving() || isInTheAir) return;
    isInTheAir = true;
    isConfirmed = confirmed;
    await attempt(confirmed).finally(() => { isInTheAir = false; });
  }
  async function attempt(confirmed) {
    isUnderway = true;
    busy(true);
    clearTimeout(timer);
    Server.note(refusal, "");
    await Draft.hold();
    form.elements.csrfmiddlewaretoken.value = Server.token();
    const mine = FormValues.read(form);
    const body = new FormData(form);
    if (confirmed) body.set("confirmed", "1");
    let answer, told;
    try {
      answer = await Server.request(form.action, "POST", body);
      if (answer.status >= 500) throw new Error(String(answer.status));
      if (Server.signedOut(answer)) { offerToGoOn(); return; }
      told = await answer.json();
    } catch {
      failures += 1;
      Server.note(Server.away, "Not sent: no answer from the server. Everything is kept in this browser and is sent as soon as there is one.");
      offerToGoOn();
      timer = setTimeout(send, Math.min(30000, 1000 * 2 ** failures), confirmed);
      return;
    }
    failures = 0;
    Server.back();
    if (answer.ok) {
      Draft.leave();
      LocalCopy.drop(form);
      const reason = document.getElementById("reason"); // to skip what is not skipped now
      if (reason) LocalCopy.drop(reason);
      location.assign(told.go);
      return;
    }
    stop(mine);
    if (answer.status === 428) Conflicts.ask(doubts, told.doubts, () => send(true));
    else {
      Server.note(refusal, told.detail || "The server refused it.");
      refusal.focus();
      if (answer.status === 409) Lease.closed("closed");
    }
  }

  function offerToGoOn() {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "link", textContent: "Go on working on it" });
    button.addEventListener("click", () => {
      // It may have arrived: what is written from now on must not pass for it.
      form.elements.key.value = crypto.randomUUID().replaceAll("-", "");
      stop();
      Server.back();
      Draft.changed();
    });
    Server.away.append(" ", button);
  }
  function busy(is) {
    go.disabled = is;
    go.toggleAttribute("aria-busy", is);
    for (const part of document.querySelectorAll("#work, .rail .board")) part.inert = is;
  }
  function stop(sent) {
    clearTimeout(timer);
    isUnderway = isConfirmed = false;
    busy(false);
    form.dispatchEvent(new CustomEvent("filled"));
    Draft.goOn(sent);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (Draft.isOpen()) { panel.scrollIntoView({ block: "nearest" }); panel.querySelector("button").focus(); return; }
    if (isUnderway) return;
    if (missing) { Server.note(refusal, missing); refusal.focus(); return; }
    send();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    const own = event.target.closest("form");
    if (own && own !== form && own.method !== "dialog") { own.requestSubmit(); return; }
    if (doubts?.open) doubts.querySelector("[value=yes]").click();
    else if (!go.disabled) form.requestSubmit();
  });

  return { send, stop, lacks, isUnderway: () => isUnderway };
})();
