// Talking to the server from a workplace: requests that give up, and what is said when nobody is signed in any more.
"use strict";
const Server = (() => {
  const form = document.getElementById("work");
  const away = document.getElementById("away");
  const PATIENCE = 20000;

  const token = () => csrfToken(form);
  const json = { "Content-Type": "application/json" };

  const request = (url, method, body, more = {}) =>
    fetch(url, {
      method, body, credentials: "same-origin", redirect: "manual", signal: AbortSignal.timeout(PATIENCE), ...more,
      headers: { "X-CSRFToken": token(), Accept: "application/json", ...more.headers },
    });

  function note(element, text, link) {
    element.replaceChildren(text);
    if (link) {
      const anchor = document.createElement("a");
      Object.assign(anchor, { href: link.href, textContent: link.text, target: "_blank", rel: "opener" });
      element.append(" ", anchor);
    }
    element.hidden = !text;
  }
  const back = () => note(away, "");

  // Where the session ended, or another person signed in meanwhile.
  function signedOut(answer) {
    if (answer.type !== "opaqueredirect" && answer.status !== 401) return false;
    note(away, "You were signed out. Your work is kept in this browser; sign in again and it goes on here.", { href: "/login/?next=/label/", text: "Sign in in a new tab" });
    return true;
  }

  return { away, token, json, request, note, back, signedOut };
})();
