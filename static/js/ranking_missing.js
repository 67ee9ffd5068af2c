// What a ranking still lacks: counted beside the board all the time, and said in a sentence to who submits too early.
"use strict";
const RankingMissing = (() => {
  const left = document.getElementById("left");

  const { empty, label, listed } = RequiredFields;
  const lettered = (answers) => `answer${answers.length > 1 ? "s" : ""} ${listed(answers.map((answer) => answer.letter))}`;

  // `steps` are pairs of names, better and worse, between which nobody said how much better.
  function show(answers, unranked, steps, isAllBad) {
    const unrated = new Map(); // by the field's name, so that it is said once
    for (const answer of answers) for (const field of empty(answer.card)) {
      const found = unrated.get(field.dataset.field) || { label: label(field), without: [] };
      unrated.set(field.dataset.field, { ...found, without: [...found.without, answer] });
    }
    const rest = new Set([...unrated.values()].flatMap((one) => one.without)).size;
    const about = RequiredFields.aboutPrompt(document.querySelector(".prompt"));
    const K = answers.length;
    const isTied = isAllBad && unranked.length === K;
    left.textContent = [
      isTied ? "All bad: tied, unless you rank them" : unranked.length ? `${unranked.length} of ${K} left to rank` : "",
      rest ? `${rest} of ${K} left to rate` : "",
      steps.length ? `${steps.length} left to say how much better` : "",
      about.count ? `${about.count} left about the prompt` : "",
    ].filter(Boolean).join(", ") || "All ranked";
    const todo = [
      unranked.length && !isTied ? `rank ${lettered(unranked)}` : "",
      ...[...unrated.values()].map((one) => `fill in ${one.label} of ${lettered(one.without)}`),
      ...steps.map(([better, worse]) => `say how much better ${better} is than ${worse}`),
      about.words,
    ].filter(Boolean);
    Submit.lacks(todo.length ? `Not submitted: first ${todo.join("; ")}.` : "");
  }

  return { show };
})();
