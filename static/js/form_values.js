// What a workplace's form holds, flat by field name and nested as a draft is stored, and how three states of it merge.
// The form's fields hold the truth; nothing here keeps a state of its own.
"use strict";
const FormValues = (() => {
  const KEPT = /^(?:text|note|message|all_bad|rank-|rate-|prompt-|strength-)/;
  const ID = 36; // characters of a completion's id

  // As the server's `is_blank`: nothing but spaces, characters of no width and marks without a letter.
  const isBlank = (text) => !/[^\p{Z}\p{Cc}\p{Cf}\p{Mn}\p{Me}\u115F\u1160\u2800\u3164\uFFA0]/u.test(text);

  const isTick = (field) => field.type === "checkbox" || field.type === "radio";
  const asSent = (field) => (field.options ? [...field.options].find((option) => option.defaultSelected)?.value ?? "" : field.defaultValue);

  // The filled-in fields: {name: text}; `sent` asks for what the server put there, whatever was typed since.
  function read(form, sent = false) {
    const found = {};
    for (const field of form.elements) {
      if (!KEPT.test(field.name)) continue;
      const value = sent && !isTick(field) ? asSent(field) : field.value;
      if (isTick(field) ? (sent ? field.defaultChecked : field.checked) : value !== "") found[field.name] = value;
    }
    return found;
  }

  function write(form, values) {
    for (const field of form.elements) {
      if (!KEPT.test(field.name)) continue;
      const value = values[field.name] ?? "";
      if (isTick(field)) field.checked = field.value === value;
      else if (field.value !== value) field.value = value;
    }
    form.dispatchEvent(new CustomEvent("filled"));
  }

  const typed = (form, name, value) => {
    const field = form.elements[name];
    const type = (field instanceof RadioNodeList ? field[0] : field)?.closest(".field")?.dataset.type;
    if (type === "scale") return Number(value);
    return type === "flag" ? value === "true" : value;
  };

  // As the server stores a draft; a field that nobody filled in is left out, a text is there though empty.
  function nested(form, values) {
    const draft = {};
    for (const name of ["text", "note", "message"]) if (form.elements[name]) draft[name] = values[name] ?? "";
    if (form.querySelector("[name^=rank-]")) Object.assign(draft, { ranks: {}, ratings: {}, strengths: [], all_bad: values.all_bad === "true" });
    if ([...form.elements].some((field) => field.name.startsWith("prompt-"))) draft.prompt = {};
    for (const [name, value] of Object.entries(values)) {
      if (name.startsWith("rank-")) draft.ranks[name.slice(5)] = Number(value);
      else if (name.startsWith("rate-")) (draft.ratings[name.slice(5, 5 + ID)] ||= {})[name.slice(6 + ID)] = typed(form, name, value);
      else if (name.startsWith("prompt-")) draft.prompt[name.slice(7)] = typed(form, name, value);
      else if (name.startsWith("strength-")) draft.strengths[Number(name.slice(9)) - 1] = Number(value);
    }
    if (draft.strengths) draft.strengths = Array.from(draft.strengths, (step) => step ?? null);
    return draft;
  }

  function flat(draft) {
    const values = {};
    const put = (name, value) => { if (value !== null && value !== undefined && value !== "") values[name] = String(value); };
    for (const name of ["text", "note", "message"]) put(name, draft[name]);
    if (draft.all_bad) values.all_bad = "true";
    for (const [id, rank] of Object.entries(draft.ranks || {})) put(`rank-${id}`, rank);
    for (const [id, given] of Object.entries(draft.ratings || {})) {
      const fields = given && typeof given === "object" ? given : { overall: given };
      for (const [name, value] of Object.entries(fields)) put(`rate-${id}-${name}`, value);
    }
    for (const [name, value] of Object.entries(draft.prompt || {})) put(`prompt-${name}`, value);
    (draft.strengths || []).forEach((step, index) => put(`strength-${index + 1}`, step));
    return values;
  }

  // An order is one thing: two halves of two orders make a third one that nobody meant.
  const unit = (name) => (/^(?:rank-|strength-|all_bad)/.test(name) ? "order" : name);
  const part = (values, of) => JSON.stringify(Object.keys(values).filter((n) => unit(n) === of).sort().map((n) => [n, values[n]]));
  const units = (...all) => new Set(all.flatMap((values) => Object.keys(values)).map(unit));
  const same = (one, other) => [...units(one, other)].every((of) => part(one, of) === part(other, of));

  function take(target, source, of) {
    for (const name of Object.keys(target)) if (unit(name) === of) delete target[name];
    for (const name of Object.keys(source)) if (unit(name) === of) target[name] = source[name];
  }

  // `base` is what both began with. What only one of the two changed is taken from that one; where both changed the
  // same thing differently, mine stays and its unit is named in `conflicts`.
  function merge(base, mine, theirs) {
    const merged = { ...mine }, conflicts = [];
    for (const of of units(base, mine, theirs)) {
      const [was, my, their] = [base, mine, theirs].map((values) => part(values, of));
      if (my === their || their === was) continue;
      if (my === was) take(merged, theirs, of);
      else conflicts.push(of);
    }
    return { merged, conflicts };
  }

  return { isBlank, read, write, nested, flat, same, merge, take };
})();
