// Elements are made here and nowhere else. Whatever comes from episodes becomes text nodes; nothing is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(2)) {
    if (child !== null && child !== undefined && child !== false) made.append(child);
  }
  return made;
}

export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// A text of an episode, isolated so that its direction stays its own.
export function said(text, name = null) {
  return el("bdi", { class: name }, text);
}

export function byId(id) {
  return document.getElementById(id);
}

let toastTimer = 0;

export function toast(text, bad = false) {
  const place = byId("toast");
  place.textContent = text;
  place.classList.toggle("bad", bad);
  place.classList.add("on");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => place.classList.remove("on"), bad ? 8000 : 2600);
}

export function count(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

export function percent(share) {
  return share === null ? "unknown" : `${(100 * share).toFixed(1)}\u202f%`;
}

// A reward: at least two decimals, and no more than needed to tell it from its neighbours.
export function amount(value, signed = false) {
  if (value === null || value === undefined) return "unscored";
  const text = Number.isInteger(value * 100) || Math.abs(value * 100 - Math.round(value * 100)) < 1e-9
    ? value.toFixed(2) : String(Number(value.toFixed(4)));
  return (signed && value > 0 ? `+${text}` : text).replace("-", "\u2212");
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
