// Keeps what a labeler does: on the server shortly after every change, and in the browser until the server has it.
// Two tabs are merged, the same thing changed twice is asked about. Submit is sent until it is answered, always with
// the same key. The form itself works without any of this.
"use strict";
(() => {
  const form = document.getElementById("work");
  const saved = document.getElementById("saved");
  const lease = document.getElementById("lease");
  const away = document.getElementById("away");
  const refusal = document.getElementById("refusal");
  const panel = document.getElementById("conflict");
  const doubts = document.getElementById("doubts");
  const withdrawn = document.getElementById("withdrawn");
  const instructions = document.getElementById("new-instructions");
  const go = document.querySelector(".go");
  const { read, write, nested, flat, same, merge, take } = FormValues;
  const QUIET = 700, LONGEST = 4000, KEEPALIVE_LIMIT = 60000, PATIENCE = 20000;
  // The cookie's, not the page's: signing in again in another tab makes a new one, and this page goes on with it.
  const token = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] || form.elements.csrfmiddlewaretoken.value;

  let base = read(form, true); // what the server has, as far as we know
  let number = Number(form.dataset.number);
  let unanswered = null; // sent, and perhaps received
  let theirs = null; // what another tab saved where it goes against ours
  let before = null; // what both began with, for as long as that is not settled
  let firstChange = 0, timer = 0, copyTimer = 0, sending = null, leaving = false, refused = false, failures = 0;
  let submitting = false;

  const dirty = () => !same(read(form), base);
  const say = (text, bad) => {
    saved.textContent = text;
    saved.classList.toggle("bad", Boolean(bad));
  };
  const note = (element, text, link) => {
    element.replaceChildren(text);
    if (link) {
      const anchor = document.createElement("a");
      Object.assign(anchor, { href: link.href, textContent: link.text, target: "_blank", rel: "opener" });
      element.append(" ", anchor);
    }
    element.hidden = !text;
  };
  const request = (url, method, body, more = {}) =>
    fetch(url, {
      method, body, credentials: "same-origin", redirect: "manual", signal: AbortSignal.timeout(PATIENCE), ...more,
      headers: { "X-CSRFToken": token(), Accept: "application/json", ...more.headers },
    });
  const json = { "Content-Type": "application/json" };

  // Where the session ended, or another person signed in meanwhile.
  function signedOut(answer) {
    if (answer.type !== "opaqueredirect" && answer.status !== 401) return false;
    note(away, "You were signed out. Your work is kept in this browser; sign in again and it goes on here.", { href: "/login/?next=/label/", text: "Sign in in a new tab" });
    return true;
  }
  const back = () => note(away, "");

  function keepCopy() {
    clearTimeout(copyTimer);
    if (leaving) return;
    const mine = read(form);
    if (!submitting && !theirs && same(mine, base)) LocalCopy.drop(form);
    else LocalCopy.set(form, { base, number, ...before, mine, key: form.elements.key.value, submitting });
  }

  function schedule(wait) {
    clearTimeout(timer);
    timer = setTimeout(save, wait);
  }

  async function save(keepalive) {
    if (sending || leaving || submitting || theirs || !form.dataset.draft || !dirty()) return;
    clearTimeout(timer);
    sending = put(keepalive === true);
    await sending;
    sending = null;
    if (!failures && !refused && dirty()) schedule(QUIET);
  }

  async function put(keepalive) {
    const mine = read(form);
    const { focus_seconds: seconds, signals } = form.elements;
    const measured = seconds ? { focus_seconds: Number(seconds.value) || 0, signals: JSON.parse(signals.value || "{}") } : {};
    const step = form.dataset.step ? { step: true } : {}; // set where an earlier draft was taken back
    const body = JSON.stringify({ ...nested(form, mine), ...measured, ...step });
    firstChange = 0;
    try {
      const answer = await request(form.dataset.draft, "PUT", body, {
        headers: { ...json, "If-Match": String(number) }, keepalive: keepalive && body.length < KEEPALIVE_LIMIT,
      });
      if (answer.status >= 500) throw new Error(String(answer.status));
      failures = 0;
      refused = false;
      if (signedOut(answer)) { refused = true; say("Not saved: signed out", true); return; }
      back();
      if (answer.ok) {
        received(mine, (await answer.json()).draft_number);
      } else if (answer.status === 412) {
        const newer = await answer.json();
        meet(flat(newer.draft), newer.draft_number);
      } else {
        // Trying again cannot mend a refusal; say why, and keep the text on the page.
        refused = true;
        const { detail } = await answer.json().catch(() => ({}));
        say(detail || "Not saved", true);
      }
    } catch {
      unanswered = mine;
      failures += 1;
      say("Not saved, trying again", true);
      schedule(Math.min(30000, 1000 * 2 ** failures));
    } finally {
      keepCopy();
    }
  }

  function received(values, at) {
    base = values;
    number = at;
    unanswered = null;
    delete form.dataset.step;
    keepCopy();
    const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
    if (!dirty()) say(`Saved ${time}`);
  }

  // The server has another draft than the one we began with: our own, its answer lost, or another tab's.
  function meet(newer, at) {
    if (unanswered && same(newer, unanswered)) { received(newer, at); schedule(0); return; }
    const began = before || { base, number };
    const { merged, conflicts } = merge(began.base, read(form), newer);
    base = newer;
    number = at;
    unanswered = null;
    write(form, merged);
    theirs = conflicts.length ? newer : null;
    before = theirs && began;
    Conflicts.show(panel, form, newer, conflicts, settle);
    if (theirs) say("Changed in another tab too: choose", true);
    else if (dirty()) schedule(0);
    else received(newer, at);
  }
  function settle(of, takeTheirs) {
    if (takeTheirs) {
      const mine = read(form);
      take(mine, theirs, of);
      write(form, mine);
    }
    if (panel.querySelector("[data-unit]")) return;
    theirs = before = null;
    keepCopy();
    if (dirty()) schedule(0);
    else received(base, number);
    go.focus();
  }

  const changed = () => {
    firstChange ||= Date.now();
    clearTimeout(copyTimer);
    copyTimer = setTimeout(keepCopy, 250);
    count();
    if (failures || theirs || !form.dataset.draft) return;
    refused = false;
    say("Saving…");
    schedule(Math.max(0, Math.min(QUIET, LONGEST - (Date.now() - firstChange))));
  };

  const count = () => {
    const field = form.elements.text;
    if (!field) return;
    const words = field.value.trim() ? field.value.trim().split(/\s+/).length : 0;
    document.getElementById(field.dataset.count).textContent =
      `${words} word${words === 1 ? "" : "s"}, ${field.value.length} characters`;
    go.disabled = words === 0;
  };

  async function beat() {
    if (document.visibilityState !== "visible" || leaving || !form.dataset.draft) return;
    try {
      const answer = await request(form.dataset.heartbeat, "POST", "{}", { headers: json });
      if (signedOut(answer)) return;
      if (answer.status === 404) { note(away, "You are signed in as somebody else now, whose task this is not. Your work is kept in this browser."); return; }
      back();
      if (answer.status === 409) { closed("skipped"); return; }
      if (!answer.ok) return;
      const now = await answer.json();
      lease.hidden = now.state !== "expired";
      if (withdrawn) withdrawn.hidden = !now.is_withdrawn;
      if (instructions && now.newest_instructions > Number(instructions.dataset.version)) instructions.hidden = false;
      if (now.state === "submitted") closed("submitted");
      else if (now.draft_number > number && !sending && !submitting) await catchUp();
      if (submitting) send();
      else if (refused || failures) { refused = false; failures = 0; save(); }
    } catch { /* offline: the next draft or beat says so */ }
  }
  const closed = (state) => {
    lease.hidden = false;
    lease.textContent = `This task is ${state} already, in another tab perhaps.`;
  };
  async function catchUp() {
    const answer = await request(form.dataset.self, "GET");
    if (!answer.ok) return;
    const { draft, draft_number: at } = await answer.json();
    if (!sending && at > number) meet(flat(draft), at);
  }

  // Submit: the same key until it is answered, so that a lost answer never makes a second label.
  async function send(confirmed) {
    if (leaving) return;
    submitting = true;
    busy(true);
    note(refusal, "");
    clearTimeout(timer);
    await sending;
    form.elements.csrfmiddlewaretoken.value = token();
    const mine = read(form);
    keepCopy();
    const body = new FormData(form);
    if (confirmed) body.set("confirmed", "1");
    let answer, told;
    try {
      answer = await request(form.action, "POST", body);
      if (answer.status >= 500) throw new Error(String(answer.status));
      if (signedOut(answer)) { waiting(""); return; }
      told = await answer.json();
    } catch {
      failures += 1;
      waiting("Not sent: no answer from the server. Everything is kept in this browser and is sent as soon as there is one.");
      timer = setTimeout(send, Math.min(30000, 1000 * 2 ** failures), confirmed);
      return;
    }
    failures = 0;
    back();
    if (answer.ok) {
      leaving = true;
      LocalCopy.drop(form);
      location.assign(told.go);
      return;
    }
    unanswered = mine; // a refused label is kept as a draft
    stopSending();
    if (answer.status === 428) Conflicts.ask(doubts, told.doubts, () => send(true));
    else {
      note(refusal, told.detail || "The server refused it.");
      refusal.focus();
      if (answer.status === 409) closed("closed");
    }
    keepCopy();
  }
  const waiting = (text) => {
    if (text) note(away, text);
    const stop = document.createElement("button");
    Object.assign(stop, { type: "button", className: "link", textContent: "Go on working on it" });
    stop.addEventListener("click", () => {
      // It may have arrived: what is written from now on must not pass for it.
      form.elements.key.value = crypto.randomUUID().replaceAll("-", "");
      clearTimeout(timer);
      stopSending();
      back();
      changed();
    });
    away.append(" ", stop);
  };
  const busy = (is) => {
    go.disabled = is;
    go.toggleAttribute("aria-busy", is);
    for (const part of document.querySelectorAll("#work, .rail .board")) part.inert = is;
  };
  const stopSending = () => {
    submitting = false;
    busy(false);
    form.dispatchEvent(new CustomEvent("filled"));
    count();
  };

  function start() {
    LocalCopy.forgetOld();
    const kept = LocalCopy.get(form);
    if (!kept) { if (dirty()) changed(); return; } // typed before this script ran
    if (kept.key && kept.submitting) form.elements.key.value = kept.key;
    if (kept.number === number) write(form, kept.mine);
    else {
      const now = base;
      base = kept.base;
      write(form, kept.mine);
      meet(now, number);
    }
    if (dirty() && !theirs) { say("Taken over from this browser"); schedule(0); }
    else keepCopy();
  }

  // Some of the form's fields stand beside it on the page, so the document listens.
  for (const kind of ["input", "change"]) document.addEventListener(kind, (event) => { if (event.target.form === form) changed(); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (theirs) { panel.scrollIntoView({ block: "nearest" }); panel.querySelector("button").focus(); return; }
    if (!submitting) send();
  });
  for (const other of document.querySelectorAll("form[action]:not(#work)")) {
    other.addEventListener("submit", () => {
      if (other.elements.csrfmiddlewaretoken) other.elements.csrfmiddlewaretoken.value = token();
      if (other.hasAttribute("hx-post")) return;
      save(true);
      leaving = true;
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    const own = event.target.closest("form");
    if (own && own !== form && own.method !== "dialog") { own.requestSubmit(); return; }
    if (doubts?.open) doubts.querySelector("[value=yes]").click();
    else if (!go.disabled) form.requestSubmit();
  });
  const skip = document.querySelector(".skip-task");
  skip?.addEventListener("toggle", () => { if (skip.open) skip.querySelector("input:not([type=hidden])").focus(); });
  skip?.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    skip.open = false;
    skip.querySelector("summary").focus();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") { keepCopy(); save(true); }
    else beat();
  });
  addEventListener("online", () => { failures = 0; if (submitting) send(); else { save(); beat(); } });
  addEventListener("beforeunload", (event) => {
    keepCopy();
    if (!leaving && (submitting || (form.dataset.draft && dirty()))) event.preventDefault();
  });
  addEventListener("pageshow", (event) => {
    // Back from the next page: the browser shows this one as it was left. Submitting it again is harmless.
    if (!event.persisted) return;
    leaving = false;
    stopSending();
    beat();
  });
  setInterval(beat, 1000 * Number(form.dataset.heartbeatSeconds));
  start();
  count();
  beat();
})();
