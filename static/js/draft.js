// Keeps what a labeler types on the server: a draft shortly after every change, a sign of life while the page is seen,
// and a warning before unsaved work is left. The form itself works without any of this.
"use strict";
(() => {
  const form = document.getElementById("work");
  const saved = document.getElementById("saved");
  const lease = document.getElementById("lease");
  const go = document.querySelector(".go");
  // The cookie's, not the page's: signing in again in another tab makes a new one, and this page goes on with it.
  const token = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] || form.elements.csrfmiddlewaretoken.value;
  const QUIET = 700, LONGEST = 4000, KEEPALIVE_LIMIT = 60000;
  let dirty = false, firstChange = 0, timer = 0, sending = false, leaving = false, refused = false, failures = 0;

  const draft = () => {
    const fields = form.elements;
    if (fields.text) return { text: fields.text.value };
    const value = { ranks: {}, ratings: {}, note: fields.note.value };
    for (const [name, given] of new FormData(form)) {
      if (name.startsWith("rank-") && given) value.ranks[name.slice(5)] = Number(given);
      if (name.startsWith("rating-")) value.ratings[name.slice(7)] = Number(given);
    }
    return value;
  };

  const say = (text, bad) => {
    saved.textContent = text;
    saved.classList.toggle("bad", Boolean(bad));
  };

  const send = (url, method, body, keepalive) =>
    fetch(url, {
      method, keepalive, body, credentials: "same-origin",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token(), Accept: "application/json" },
    });

  const showLease = (state) => {
    lease.hidden = state !== "expired";
    if (state === "submitted" || state === "skipped") {
      lease.hidden = false;
      lease.textContent = `This task is ${state} already, in another tab perhaps.`;
    }
  };

  const schedule = (wait) => {
    clearTimeout(timer);
    timer = setTimeout(save, wait);
  };

  async function save(keepalive) {
    if (sending || !dirty || leaving) return;
    clearTimeout(timer);
    const body = JSON.stringify(draft());
    sending = true;
    dirty = false;
    firstChange = 0;
    try {
      const answer = await send(form.dataset.draft, "PUT", body, keepalive === true && body.length < KEEPALIVE_LIMIT);
      if (answer.ok) {
        failures = 0;
        refused = false;
        const at = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
        if (!dirty) say(`Saved ${at}`);
      } else {
        // Trying again cannot mend a refusal; say why, and keep the text on the page.
        if (answer.status >= 500) throw new Error(String(answer.status));
        refused = true;
        const { detail } = await answer.json().catch(() => ({}));
        say(answer.status === 401 || !detail ? "Not saved: sign in again in another tab" : detail, true);
      }
    } catch {
      dirty = true;
      failures += 1;
      say("Not saved, trying again", true);
      schedule(Math.min(30000, 1000 * 2 ** failures));
    } finally {
      sending = false;
      if (dirty && !failures) schedule(QUIET);
    }
  }

  const changed = () => {
    dirty = true;
    firstChange ||= Date.now();
    if (!failures) {
      say("Saving…");
      schedule(Math.max(0, Math.min(QUIET, LONGEST - (Date.now() - firstChange))));
    }
    count();
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
    if (document.visibilityState !== "visible" || leaving) return;
    try {
      const answer = await send(form.dataset.heartbeat, "POST", "{}");
      if (answer.ok) showLease((await answer.json()).state);
      if (answer.status === 409) showLease("skipped");
    } catch { /* offline: the next draft or beat says so */ }
  }

  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  form.addEventListener("submit", () => {
    form.elements.csrfmiddlewaretoken.value = token();
    leaving = true;
    go.disabled = true;
    go.setAttribute("aria-busy", "true");
  });
  for (const other of document.querySelectorAll("form[action]:not(#work)")) {
    other.addEventListener("submit", () => {
      other.elements.csrfmiddlewaretoken.value = token();
      save(true);
      leaving = true;
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    if (!go.disabled) form.requestSubmit(go);
  });
  const skip = document.querySelector(".skip-task");
  skip.addEventListener("toggle", () => { if (skip.open) skip.querySelector("input[name=reason]").focus(); });
  skip.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    skip.open = false;
    skip.querySelector("summary").focus();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") save(true);
    else beat();
  });
  window.addEventListener("online", () => { failures = 0; save(); });
  window.addEventListener("beforeunload", (event) => {
    if (!leaving && (dirty || sending || refused)) event.preventDefault();
  });
  window.addEventListener("pageshow", (event) => {
    // Back from the next page: the browser shows this one as it was left. Submitting it again is harmless.
    if (!event.persisted) return;
    leaving = false;
    go.removeAttribute("aria-busy");
    go.disabled = false;
    beat();
  });
  setInterval(beat, 1000 * Number(form.dataset.heartbeatSeconds));
  count();
  beat();
})();
