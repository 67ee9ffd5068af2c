// Keeps what a labeler does: on the server shortly after every change, and in the browser until the server has it.
// Two tabs are merged, the same thing changed twice is asked about. The form itself works without any of this.
"use strict";
const Draft = (() => {
  const form = document.getElementById("work");
  const saved = document.getElementById("saved");
  const panel = document.getElementById("conflict");
  const go = document.querySelector(".go");
  const { read, write, nested, flat, same, merge, take } = FormValues;
  const QUIET = 700, LONGEST = 4000, KEEPALIVE_LIMIT = 60000;

  let base = read(form, true); // what the server has, as far as we know
  let number = Number(form.dataset.number);
  let unanswered = null; // sent, and perhaps received
  let theirs = null; // what another tab saved where it goes against ours
  let before = null; // what both began with, for as long as that is not settled
  let firstChange = 0, timer = 0, copyTimer = 0, sending = null, refused = false, failures = 0;
  let leaving = false, submitting = false;

  const dirty = () => !same(read(form), base);
  let standing = [saved.textContent, false]; // what holds where nothing is unsaved
  const show = (text, bad) => {
    saved.textContent = text;
    saved.classList.toggle("bad", Boolean(bad));
  };

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
    if (sending || leaving || submitting || theirs || !form.dataset.draft) return;
    if (!dirty() && !unanswered) { allSaved(); return; }
    clearTimeout(timer);
    sending = put(keepalive === true);
    await sending;
    sending = null;
    if (refused && !dirty()) allSaved(); // taken back while it was on its way
    else if (!failures && !refused && dirty()) schedule(QUIET);
  }

  async function put(keepalive) {
    const mine = read(form);
    const { focus_seconds: seconds, signals } = form.elements;
    const measured = seconds ? { focus_seconds: Number(seconds.value) || 0, signals: JSON.parse(signals.value || "{}") } : {};
    const step = form.dataset.step ? { step: true } : {}; // set where an earlier draft was taken back
    const body = JSON.stringify({ ...nested(form, mine), ...measured, ...step });
    firstChange = 0;
    try {
      const answer = await Server.request(form.dataset.draft, "PUT", body, {
        headers: { ...Server.json, "If-Match": String(number) }, keepalive: keepalive && body.length < KEEPALIVE_LIMIT,
      });
      if (answer.status >= 500) throw new Error(String(answer.status));
      failures = 0;
      refused = false;
      if (Server.signedOut(answer)) { refused = true; show("Not saved: signed out", true); return; }
      Server.back();
      if (answer.ok) {
        received(mine, (await answer.json()).draft_number);
      } else if (answer.status === 412) {
        const newer = await answer.json();
        meet(flat(newer.draft), newer.draft_number);
      } else {
        // Trying again cannot mend a refusal; say why, and keep the text on the page.
        refused = true;
        const { detail } = await answer.json().catch(() => ({}));
        show(detail || "Not saved", true);
      }
    } catch {
      unanswered = mine;
      failures += 1;
      show("Not saved, trying again", true);
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
    standing = [`Saved ${time}`, false];
    if (!dirty()) allSaved();
  }
  // Nothing is unsaved, or no longer: what was changed was taken back.
  function allSaved() {
    refused = false;
    failures = 0;
    show(...standing);
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
    if (theirs) show("Changed in another tab too: choose", true);
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

  // What the server has by number `newest`, where that is not what we know.
  async function catchUp(newest) {
    if (newest <= number || sending || submitting) return;
    const answer = await Server.request(form.dataset.self, "GET");
    if (!answer.ok) return;
    const { draft, draft_number: at } = await answer.json();
    if (!sending && at > number) meet(flat(draft), at);
  }

  function changed() {
    firstChange ||= Date.now();
    clearTimeout(copyTimer);
    copyTimer = setTimeout(keepCopy, 250);
    if (failures || theirs || !form.dataset.draft) return;
    if (!dirty() && !sending) { allSaved(); return; } // a field was left, or a change taken back
    refused = false;
    show("Saving…");
    schedule(Math.max(0, Math.min(QUIET, LONGEST - (Date.now() - firstChange))));
  }

  // Takes over what this browser kept, or what was typed before this script ran.
  function start() {
    LocalCopy.forgetOld();
    const kept = LocalCopy.get(form);
    if (!kept) { if (dirty()) changed(); return; }
    if (kept.key && kept.submitting) form.elements.key.value = kept.key;
    if (kept.number === number) write(form, kept.mine);
    else {
      const now = base;
      base = kept.base;
      write(form, kept.mine);
      meet(now, number);
    }
    if (dirty() && !theirs) { show("Taken over from this browser"); schedule(0); }
    else keepCopy();
  }

  // While a submit is on its way no draft is saved; the copy says that it is on its way.
  async function hold() {
    submitting = true;
    clearTimeout(timer);
    if (!sending && !failures && !refused) show(...standing);
    await sending;
    keepCopy();
  }
  function goOn(sent) {
    submitting = false;
    if (sent) unanswered = sent; // a refused label is kept as a draft
    if (failures) schedule(QUIET); // what `hold` stopped
    keepCopy();
  }
  function tryAgain(always) {
    if (!always && !refused && !failures) return;
    refused = false;
    failures = 0;
    save();
  }

  return {
    catchUp, changed, goOn, hold, keepCopy, save, start, tryAgain,
    isOpen: () => Boolean(theirs),
    isUnsaved: () => Boolean(form.dataset.draft && dirty()),
    leave: (is = true) => { leaving = is; },
    isLeaving: () => leaving,
  };
})();
