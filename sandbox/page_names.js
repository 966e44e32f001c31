// Names: the text alternative of the W3C's accessible name computation, as Chromium carries it out, with four deliberate
// differences: rows, and messages (status, alert, log, note, timer), are named by what they say; a dialog without a name
// takes its first heading; a name is cut at NAME_CHARS; nothing nested deeper than DEEPEST in one name is read, nor more
// than MOST_READ nodes for it and MOST_READ_IN_ALL for a look: fields within fields are read for their value and for their
// content, and so is each of those within, and then for a name of its own.
const DEEPEST = 400;
const MOST_READ = 2000;
const MOST_READ_IN_ALL = 100000;
const FIELDS = new Set(["INPUT", "TEXTAREA", "SELECT"]);
const LABELABLE = new Set(["INPUT", "TEXTAREA", "SELECT", "BUTTON", "METER", "OUTPUT", "PROGRESS"]);
const BUTTON_TYPES = new Set(["submit", "button", "reset"]);
const BUTTON_NAMES = { submit: "Submit", reset: "Reset", button: "" };
const VALUE_ROLES = new Set(["textbox", "searchbox", "combobox", "listbox", "slider", "spinbutton"]);
const UNREAD = new Set(["RT", "RP"]);
const NESTED = { menuitem: new Set(["menu"]), treeitem: new Set(["group", "tree"]) };

// ---------------------------------------------------------------- generated content
const generatedText = (el, which) => {
  const style = getComputedStyle(el, which);
  const content = style.content;
  if (content === "none" || content === "normal" || style.display === "none" || style.visibility !== "visible") return "";
  const parts = [...content.matchAll(/"((?:[^"\\]|\\.)*)"|attr\(\s*([\w-]+)[^)]*\)|(\/)/g)];
  const slash = parts.findIndex((part) => part[3]);
  const text = parts.slice(slash + 1)
    .map(([, quoted, name]) => (quoted === undefined ? attr(el, name) || "" : quoted.replace(/\\(.)/g, "$1"))).join("");
  return style.display === "inline" && slash < 0 ? text : ` ${text} `;
};
const QUOTES = { "::before": "“", "::after": "”" };
const generated = (el, which) => {
  if (tagOf(el) === "Q") return QUOTES[which];
  return isAmong(el, sheetFacts(el).generators) ? generatedText(el, which) : "";
};

// ---------------------------------------------------------------- text of a subtree
// into: {text, owner: the element being named, hidden: whether what is not drawn counts too}
const reading = { depth: 0, nodes: 0, ids: false }; // ids: they are followed once for a name, else they could lead in circles
const read = (work) => {
  if (reading.depth === 0) reading.nodes = 0;
  reading.depth++;
  reading.nodes++;
  try {
    return work();
  } finally {
    reading.depth--;
  }
};
const gather = (node, into) => {
  if (into.text.length > READ_CHARS || reading.depth > DEEPEST || reading.nodes > MOST_READ) return;
  if (cached.read > MOST_READ_IN_ALL) return;
  reading.depth++;
  reading.nodes++;
  cached.read++;
  try {
    gatherNode(node, into);
  } finally {
    reading.depth--;
  }
};
const gatherNode = (node, into) => {
  const kind = kindOf(node);
  if (kind === TEXT) {
    const parent = node.parentElement;
    if (into.hidden || !parent) into.text += textIn(node);
    else if (isShown(parent)) into.text += spoken(textIn(node), parent);
    return;
  }
  if (kind !== ELEMENT) return;
  const tag = tagOf(node);
  if (SKIP.has(tag) || UNREAD.has(tag) || node === into.owner) return;
  if (tag === "BR") {
    into.text += " ";
    return;
  }
  if (!into.hidden && (isAriaHidden(node) || !factsOf(node).drawn || hasAttr(node, "inert"))) return;
  if (into.hidden || isShown(node)) {
    const own = ownText(node, tag, into);
    if (own !== null) {
      if (own) into.text += ` ${own} `;
      return;
    }
  }
  const joins = into.hidden ? true : joinsText(node);
  if (!joins) into.text += " ";
  gatherContent(node, into);
  if (!joins) into.text += " ";
};
const gatherContent = (el, into) => {
  if (!into.hidden) into.text += generated(el, "::before");
  const parts = partsOf(el, tagOf(el));
  if (parts) for (const part of parts) gather(part, into);
  else for (let child = firstOf(shadowOf(el) || el); child; child = nextOf(child)) gather(child, into);
  if (!into.hidden) into.text += generated(el, "::after");
};
// What stands for an element within another's name, or null where its content does.
const ownText = (el, tag, into) => {
  if (!reading.ids && hasAttr(el, "aria-labelledby")) {
    const text = byIds(el, "aria-labelledby");
    if (text) return text;
  }
  const nested = into.nested;
  const role = FIELDS.has(tag) || nested || hasAttr(el, "role") ? roleOf(el) : null;
  if (nested && nested.has(role)) return "";
  if (VALUE_ROLES.has(role)) {
    const value = el.type === "password" ? "" : valueOf(el, role);
    if (value) return value;
  }
  const label = squeeze(attr(el, "aria-label") || "");
  if (label) return label;
  switch (tag) {
    case "IMG": case "AREA": return squeeze(attr(el, "alt") ?? attr(el, "title") ?? "");
    case "INPUT": return BUTTON_TYPES.has(el.type) ? buttonText(el) : squeeze(attr(el, "title") || "");
    case "TEXTAREA": case "SELECT": case "IFRAME": case "OBJECT": case "VIDEO": case "AUDIO":
      return squeeze(attr(el, "title") || "");
    case "svg": return drawingRole(el) ? drawnTitle(el) : null;
    default: return null;
  }
};
const textOf = (el, options = {}) => {
  const into = { text: "", owner: null, hidden: false, nested: null, ...options };
  if (kindOf(el) === ELEMENT) read(() => gatherContent(el, into));
  else gather(el, into);
  return squeeze(into.text);
};

// ---------------------------------------------------------------- names
const buttonText = (el) => (hasAttr(el, "value") ? squeeze(el.value) : BUTTON_NAMES[el.type]);
const drawnTitle = (el) => {
  for (let child = firstElementOf(el); child; child = nextElementOf(child)) {
    if (tagOf(child) === "title") return squeeze(child.textContent);
  }
  return "";
};
const byIds = (el, attribute) => {
  const ids = (attr(el, attribute) || "").split(/\s+/).filter(Boolean);
  if (!ids.length) return "";
  const root = rootOf(el);
  const targets = ids.map((id) => byId(root, id)).filter(Boolean);
  const before = reading.ids;
  reading.ids = true;
  try {
    return squeeze(targets.map((target) => read(() => pointedText(target))).join(" "));
  } finally {
    reading.ids = before;
  }
};
const pointedText = (target) => {
  const into = { text: "", owner: null, hidden: !factsOf(target).shown, nested: null };
  const own = ownText(target, tagOf(target), into);
  if (own !== null) return own;
  gatherContent(target, into);
  return squeeze(into.text) || squeeze(attr(target, "title") || "");
};
const labelsOf = (el) => {
  if (!LABELABLE.has(tagOf(el))) return [];
  const root = rootOf(el);
  let found = cached.labels.get(root);
  if (!found) {
    found = new Map();
    for (const label of labelsIn(root)) {
      const control = label.control;
      if (control) found.set(control, [...(found.get(control) || []), label]);
    }
    cached.labels.set(root, found);
  }
  return found.get(el) || [];
};
const labelsIn = (root) => {
  if (kindOf(root) === DOCUMENT) return queryAll(root, "label");
  return isShadow(root) ? root.querySelectorAll("label") : [];
};
const labelText = (el) => {
  const labels = labelsOf(el);
  return labels.length ? squeeze(labels.map((label) => {
    if (!factsOf(label).drawn || isAriaHidden(label)) return "";
    return squeeze(attr(label, "aria-label") || "") || textOf(label, { owner: el }) || attr(label, "title") || "";
  }).join(" ")) : "";
};
const childText = (el, tag) => {
  for (let child = firstElementOf(el); child; child = nextElementOf(child)) if (tagOf(child) === tag) return textOf(child);
  return "";
};
const nativeName = (el, tag, role) => {
  const labelled = labelText(el);
  if (labelled) return labelled;
  switch (tag) {
    case "INPUT":
      if (BUTTON_TYPES.has(el.type)) return buttonText(el);
      if (el.type === "image") return ["alt", "value", "title"].map((name) => squeeze(attr(el, name) || "")).find(Boolean) || "Submit";
      if (el.type === "file") return squeeze(attr(el, "title") || "") || (el.multiple ? "Choose Files" : "Choose File");
      return "";
    case "IMG": case "AREA": return attr(el, "alt") === null ? "" : squeeze(attr(el, "alt"));
    case "FIELDSET": return childText(el, "LEGEND");
    case "TABLE": return childText(el, "CAPTION") || squeeze(attr(el, "summary") || "");
    default:
      if (!isHtml(el)) return drawnTitle(el);
      if (role === "dialog" || role === "alertdialog") {
        const heading = query(el, "h1,h2,h3,h4,h5,h6,[role=heading]");
        return heading ? textOf(heading) : "";
      }
      return "";
  }
};
const rowName = (row) => {
  const cells = [];
  let size = 0;
  for (let cell = firstElementOf(shadowOf(row) || row); cell && size <= ROW_CHARS; cell = nextElementOf(cell)) {
    if (SKIP.has(tagOf(cell)) || isAriaHidden(cell) || !isShown(cell)) continue;
    const text = byIds(cell, "aria-labelledby") || squeeze(attr(cell, "aria-label") || "") || textOf(cell);
    if (text) size += cells.push(text) && text.length;
  }
  return cells.length || size ? cells.join(" · ") : textOf(row);
};
// The name, and whether it is the element's own content: then that need not be reported again.
const naming = (el, role) => {
  const authored = byIds(el, "aria-labelledby") || squeeze(attr(el, "aria-label") || "");
  if (authored) return { name: clip(authored, NAME_CHARS), fromContent: false };
  const tag = tagOf(el);
  const native = nativeName(el, tag, role);
  if (native) return { name: clip(native, NAME_CHARS), fromContent: false };
  if (role === "row") return { name: clip(rowName(el), ROW_CHARS), fromContent: true };
  if (FROM_CONTENT.has(role) && !FIELDS.has(tag) && tag !== "IMG") {
    const text = textOf(el, { nested: NESTED[role] || null });
    if (text) return { name: clip(text, NAME_CHARS), fromContent: true };
  }
  if (tag === "IMG" && attr(el, "alt") !== null) return { name: "", fromContent: false };
  const hint = ["title", "placeholder", "aria-placeholder"].map((name) => squeeze(attr(el, name) || "")).find(Boolean) || "";
  return { name: clip(hint, NAME_CHARS), fromContent: false };
};
const nameOf = (el, role) => naming(el, role).name;
