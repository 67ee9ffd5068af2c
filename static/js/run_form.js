// A number that cannot be read reaches the server as nothing, which would mean the preset's: it is not sent.
"use strict";
for (const form of document.querySelectorAll("form.run-form")) {
  form.addEventListener("submit", (event) => {
    const unread = [...form.elements].find((one) => one.validity?.badInput);
    if (!unread) return;
    event.preventDefault();
    for (let part = unread.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
    unread.reportValidity();
  });
}
