// Names for what the admin's own pages leave without one when they load: fields in a table's rows, the column that takes
// rows away, parts that scroll.
"use strict";
addEventListener("load", () => {
  for (const field of document.querySelectorAll("td[data-label] :is(input:not([type=hidden]), select, textarea)")) {
    if (!field.labels?.length && !field.ariaLabel) field.ariaLabel = field.closest("td").dataset.label;
  }
  for (const head of document.querySelectorAll(".formset > thead th:last-child")) {
    if (head.textContent.trim()) continue;
    const word = document.createElement("span");
    word.className = "unseen";
    word.textContent = "Remove";
    head.append(word);
  }
  document.querySelectorAll(".simplebar-content-wrapper").forEach((part, number) => {
    part.ariaLabel = part.closest("#nav-sidebar-apps") ? "Pages of the admin" : `Part that scrolls, ${number}`;
  });
});
