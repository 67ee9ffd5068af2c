// Fields of a rating form that must be answered and are not yet.
"use strict";
const RequiredFields = (() => {
  const empty = (part) => [...part.querySelectorAll("[data-required]")].filter((field) =>
    ![...field.querySelectorAll("input, textarea")].some((input) => (input.type === "radio" ? input.checked : !FormValues.isBlank(input.value))));
  const label = (field) => `“${field.querySelector("legend, label").firstChild.textContent.trim()}”`;
  const listed = (names) => [names.slice(0, -1).join(", "), names.at(-1)].filter(Boolean).join(" and ");

  // What is left to do about those that ask about the prompt, in words; nothing where none is left.
  const aboutPrompt = (part) => {
    const left = part ? empty(part).map(label) : [];
    return { count: left.length, words: left.length ? `fill in ${listed(left)} about the prompt` : "" };
  };

  return { empty, label, listed, aboutPrompt };
})();
