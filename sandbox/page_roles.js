// Roles: the author's, where it is one and may stand there, else the element's own; both as Chromium decides.
const TEXT_TYPES = new Set(["text", "email", "tel", "url", "password", "search", ""]);
const INPUT_ROLES = {
  button: "button", submit: "button", reset: "button", image: "button", checkbox: "checkbox", radio: "radio",
  range: "slider", number: "spinbutton", file: "file", color: "color", hidden: null,
  date: "date", time: "time", month: "month", week: "week", "datetime-local": "datetime",
};
const TAG_ROLES = {
  BUTTON: "button", TEXTAREA: "textbox", OPTION: "option", H1: "heading", H2: "heading", H3: "heading", H4: "heading",
  H5: "heading", H6: "heading", OUTPUT: "status", PROGRESS: "progressbar", METER: "meter", DIALOG: "dialog", IFRAME: "iframe",
  FRAME: "iframe", FIELDSET: "group", DETAILS: "group", ADDRESS: "group", VIDEO: "video", AUDIO: "audio", CANVAS: "canvas",
  NAV: "navigation", MAIN: "main", ASIDE: "complementary", ARTICLE: "article", FORM: "form", SEARCH: "search", FIGURE: "figure",
  UL: "list", OL: "list", MENU: "list", DL: "list", LI: "listitem", P: "paragraph", TBODY: "rowgroup", THEAD: "rowgroup",
  TFOOT: "rowgroup", HR: "separator", DT: "term", DD: "definition",
};
const INTERACTIVE = new Set([
  "button", "link", "textbox", "searchbox", "spinbutton", "slider", "checkbox", "radio", "switch", "combobox", "listbox",
  "option", "menuitem", "menuitemcheckbox", "menuitemradio", "tab", "treeitem", "file", "color", "date", "time", "month",
  "week", "datetime", "clickable", "scrollbar",
]);
// Reported for what they say; those in MUST_SPEAK only if they say something.
const SPEAKING = new Set([
  "heading", "row", "status", "alert", "alertdialog", "dialog", "progressbar", "meter", "img", "tooltip", "log", "timer", "note",
  "iframe", "columnheader", "separator",
]);
const MUST_SPEAK = new Set(["heading", "status", "alert", "log", "note", "timer", "tooltip", "img", "separator"]);
// Reported if their author has named them.
const CONTAINERS = new Set([
  "group", "table", "grid", "treegrid", "list", "tree", "menu", "menubar", "tablist", "tabpanel", "radiogroup", "toolbar",
  "navigation", "main", "banner", "contentinfo", "complementary", "region", "form", "search", "article", "figure", "feed",
  "application", "document", "canvas", "video", "audio", "marquee", "math",
]);
const CELLS = new Set(["cell", "gridcell", "rowheader"]);
const REPORTED = new Set([...INTERACTIVE, ...SPEAKING, ...CONTAINERS]);
const OUR_OWN = new Set([
  "file", "color", "date", "time", "month", "week", "datetime", "clickable", "iframe", "canvas", "video", "audio",
]);
const KNOWN_ROLES = new Set([
  ...REPORTED, ...CELLS, "presentation", "none", "generic", "listitem", "paragraph", "separator", "definition", "term",
  "rowgroup", "directory", "image", "blockquote", "caption", "code", "deletion", "emphasis", "insertion", "strong", "subscript",
  "superscript", "time", "mark", "suggestion", "comment",
].filter((role) => !OUR_OWN.has(role)));
const SAME_ROLE = { image: "img", directory: "list", none: "presentation" };
// Without one of these around it, Chromium does not take the role for one.
const NEEDED_AROUND = {
  option: new Set(["listbox", "combobox"]), treeitem: new Set(["tree"]), listitem: new Set(["list"]),
};
const FROM_CONTENT = new Set([
  "button", "link", "heading", "option", "menuitem", "menuitemcheckbox", "menuitemradio", "tab", "treeitem", "switch",
  "checkbox", "radio", "status", "alert", "tooltip", "log", "timer", "note", "row", "clickable", "columnheader", "rowheader",
  "cell", "gridcell", "math",
]);
// Their content is their name: of what lies beneath only further controls are reported.
const LEAVES = new Set([
  "button", "link", "textbox", "searchbox", "spinbutton", "slider", "combobox", "checkbox", "radio", "switch", "option",
  "menuitem", "menuitemcheckbox", "menuitemradio", "tab", "img", "progressbar", "meter", "file", "color", "date", "time",
  "month", "week", "datetime", "tooltip", "scrollbar",
]);
const SECTIONING = "article,aside,main,nav,section,[role=article],[role=complementary],[role=main],[role=navigation],[role=region]";
const GLOBAL_ARIA = new RegExp("^aria-(atomic|busy|controls|current|describedby|details|dropeffect|flowto|grabbed|"
  + "keyshortcuts|label|labelledby|live|owns|relevant|roledescription)$");

const canFocus = (el) => {
  const tabindex = attr(el, "tabindex");
  if (tabindex !== null && Number.isInteger(Number.parseInt(tabindex, 10))) return true;
  switch (tagOf(el)) {
    case "BUTTON": case "SELECT": case "TEXTAREA": return !el.disabled;
    case "INPUT": return !el.disabled && el.type !== "hidden";
    case "A": case "AREA": case "a": return hasAttr(el, "href");
    case "IFRAME": return true;
    case "SUMMARY": return isDisclosure(el);
    default: return isEditingHost(el);
  }
};
const isEditingHost = (el) => {
  if (!hasAttr(el, "contenteditable") || !isHtml(el) || !isEditable(el)) return false;
  const parent = parentOf(el);
  return !(isElement(parent) && isHtml(parent) && isEditable(parent));
};
const isDisclosure = (el) => {
  const parent = parentOf(el);
  if (!isElement(parent) || tagOf(parent) !== "DETAILS") return false;
  for (let before = previousElementOf(el); before; before = previousElementOf(before)) {
    if (tagOf(before) === "SUMMARY") return false;
  }
  return true;
};
// Listeners cannot be seen from here. But a page that listens for clicks says so to people, by a pointing hand: it begins
// at the element that takes the click.
const CONTROLS = "a,button,input,select,textarea,summary,[role],[tabindex],[onclick],[contenteditable]";
const hasHand = (el) => {
  const { pointers, hovers } = sheetFacts(el);
  if (hovers !== "*" && isAmong(el, hovers)) return true;
  return (pointers !== "" || (attr(el, "style") || "").includes("cursor")) && factsOf(el).style.cursor === "pointer";
};
const isPointedAt = (el) => {
  if (!hasHand(el)) return false;
  const parent = composedParent(el);
  const around = parent && isShadow(parent) ? parent.host : parent;
  if (isElement(around) && hasHand(around)) return false;
  const control = firstElementOf(el) && query(el, CONTROLS);
  return !control || textOf(control) !== textOf(el); // a frame around the one control that it holds
};
const isTabbable = (el) => hasAttr(el, "tabindex") && Number.parseInt(attr(el, "tabindex"), 10) >= 0;
const isClickable = (el) => hasAttr(el, "onclick") || isPointedAt(el);
// What is asked about an element's surroundings leads further and further out, and by aria-owns round in circles.
const FARTHEST = 100;
let asking = 0;
const standsIn = (el, needed) => {
  if (asking >= FARTHEST) return false;
  asking++;
  try {
    return isWithin(el, needed);
  } finally {
    asking--;
  }
};
const isWithin = (el, needed) => {
  const id = attr(el, "id");
  for (let around = composedParent(el); around; around = composedParent(around)) {
    if (kindOf(around) === ELEMENT && needed.has(roleOf(around))) return true;
  }
  const owner = id && queryAll(documentOf(el), `[aria-owns~="${CSS.escape(id)}"]`)[0];
  return Boolean(owner) && needed.has(roleOf(owner));
};
const explicitRole = (el) => {
  const given = attr(el, "role");
  if (!given) return null;
  for (const token of given.toLowerCase().split(/\s+/)) {
    if (!KNOWN_ROLES.has(token)) continue;
    const role = SAME_ROLE[token] || token;
    if (NEEDED_AROUND[role] && !standsIn(el, NEEDED_AROUND[role])) return null;
    if (role === "presentation" && (canFocus(el) || attrNames(el).some((name) => GLOBAL_ARIA.test(name)))) return null;
    return role;
  }
  return null;
};
const headerRole = (cell) => {
  const scope = (attr(cell, "scope") || "").toLowerCase();
  if (scope === "row" || scope === "rowgroup") return "rowheader";
  if (scope === "col" || scope === "colgroup") return "columnheader";
  const [before, after] = [previousElementOf(cell), nextElementOf(cell)];
  return (before && tagOf(before) !== "TH") || (after && tagOf(after) !== "TH") ? "rowheader" : "columnheader";
};
const tablePart = (el, tag) => {
  const table = closest(el, "table");
  const role = table && explicitRole(table);
  if (role === "presentation") return null;
  if (tag === "TR") return isElement(parentOf(el)) && explicitRole(parentOf(el)) === "presentation" ? null : "row";
  if (tag === "TH") return headerRole(el);
  return role === "grid" || role === "treegrid" ? "gridcell" : "cell";
};
const drawingRole = (el) => (firstElementOf(el) && query(el, "a,text,[tabindex],[role],[onclick],foreignObject") ? null : "img");
const nativeRole = (el) => {
  const tag = tagOf(el);
  switch (tag) {
    case "INPUT": {
      const type = el.type;
      if (TEXT_TYPES.has(type)) return hasAttr(el, "list") ? "combobox" : type === "search" ? "searchbox" : "textbox";
      return type in INPUT_ROLES ? INPUT_ROLES[type] : "textbox";
    }
    case "SELECT": return el.multiple || el.size > 1 ? "listbox" : "combobox";
    case "A": case "AREA": case "a": return hasAttr(el, "href") || isClickable(el) ? "link" : null;
    case "IMG": return "img";
    case "SUMMARY": return isDisclosure(el) ? "button" : null;
    case "TABLE": return "table";
    case "TR": case "TH": case "TD": return tablePart(el, tag);
    case "SECTION": return "region";
    case "HEADER": case "FOOTER": {
      const parent = parentOf(el);
      return isElement(parent) && closest(parent, SECTIONING) ? null : tag === "HEADER" ? "banner" : "contentinfo";
    }
    case "svg": return drawingRole(el);
    default:
      if (isEditingHost(el)) return "textbox";
      return TAG_ROLES[tag] || null;
  }
};
// Of no use to an agent but for the click that they take.
const CLICK_WINS = new Set([null, "presentation", "generic", "listitem", "paragraph", "cell", "rowheader", "term", "definition", "rowgroup"]);
const CLICK_WINS_UNSAID = new Set(["article", "region", "list", "group", "form", "figure", "banner", "contentinfo"]);
const ACTS_TOO = new Set(["gridcell", "row", "heading", "img", "separator", "columnheader"]);
const isTarget = (el) => {
  if (hasAttr(el, "onclick") || isTabbable(el)) return true;
  const html = isHtml(el); // a shape that says nothing is a part of some drawing that takes the click
  return isPointedAt(el) && !(html ? tagOf(el) === "LABEL" && el.control : !textOf(el) && !drawnTitle(el));
};
const roleOf = (el) => {
  let role = cached.roles.get(el);
  if (role !== undefined) return role;
  cached.roles.set(el, null); // for whoever asks before it is known, to find it out
  const explicit = explicitRole(el);
  role = explicit && explicit !== "generic" ? explicit : nativeRole(el);
  if (CLICK_WINS.has(role)) role = isTarget(el) ? "clickable" : role;
  else if (!explicit && CLICK_WINS_UNSAID.has(role) && isClickable(el)) role = "clickable";
  cached.roles.set(el, role);
  return role;
};
const isInteractive = (el, role) => INTERACTIVE.has(role) || (ACTS_TOO.has(role) && (isClickable(el) || isTabbable(el)));
