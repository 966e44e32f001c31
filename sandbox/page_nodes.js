// Nodes, read safely. A form's (and a document's) fields shadow its properties: <input name=children> makes
// form.children an input, in this world too. So what any element may be asked is read through its prototype's own
// getter or method, which nothing of the page can reach.
const uncurry = (method) => Function.prototype.call.bind(method);
const getter = (type, name) => uncurry(Object.getOwnPropertyDescriptor(type.prototype, name).get);
const method = (type, name) => uncurry(type.prototype[name]);
const kindOf = getter(Node, "nodeType");
const firstOf = getter(Node, "firstChild");
const nextOf = getter(Node, "nextSibling");
const parentOf = getter(Node, "parentNode");
const documentOf = getter(Node, "ownerDocument");
const isConnected = getter(Node, "isConnected");
const rootOf = method(Node, "getRootNode");
const contains = method(Node, "contains");
const tagOf = getter(Element, "tagName");
const shadowOf = getter(Element, "shadowRoot");
const slotOf = getter(Element, "assignedSlot");
const firstElementOf = getter(Element, "firstElementChild");
const nextElementOf = getter(Element, "nextElementSibling");
const previousElementOf = getter(Element, "previousElementSibling");
const attr = method(Element, "getAttribute");
const hasAttr = method(Element, "hasAttribute");
const attrNames = method(Element, "getAttributeNames");
const matches = method(Element, "matches");
const closest = method(Element, "closest");
const query = method(Element, "querySelector");
const queryIn = method(Element, "querySelectorAll");
const hasBox = method(Element, "checkVisibility");
const rectOf = method(Element, "getBoundingClientRect");
const rectsOf = method(Element, "getClientRects");
const scrollTo = method(Element, "scrollIntoView");
const isEditable = getter(HTMLElement, "isContentEditable");
const viewOf = getter(Document, "defaultView");
const bodyOf = getter(Document, "body");
const docRoot = getter(Document, "documentElement");
const scrollerOf = getter(Document, "scrollingElement");
const titleOf = getter(Document, "title");
const queryAll = method(Document, "querySelectorAll");
const rangeIn = method(Document, "createRange");
const ELEMENT = Node.ELEMENT_NODE;
const TEXT = Node.TEXT_NODE;
const DOCUMENT = Node.DOCUMENT_NODE;
// Kinds are told by nodeType and tag, not by instanceof: what lies in a frame has constructors of its own.
const isNode = (thing) => {
  try {
    return kindOf(thing) > 0;
  } catch (error) {
    return false; // a window
  }
};
const isElement = (node) => node !== null && kindOf(node) === ELEMENT;
const isHtml = (el) => tagOf(el) < "a"; // HTML's tags are told in capitals
const ofRoot = (name, read) => {
  const [inDocument, inShadow] = [read(Document, name), read(ShadowRoot, name)];
  return (root, ...rest) => (kindOf(root) === DOCUMENT ? inDocument(root, ...rest) : inShadow(root, ...rest));
};
const activeOf = ofRoot("activeElement", getter);
const hitOf = ofRoot("elementFromPoint", method);
const sheetsOf = ofRoot("styleSheets", getter);
const adoptedOf = ofRoot("adoptedStyleSheets", getter);
const isShadow = (node) => kindOf(node) === Node.DOCUMENT_FRAGMENT_NODE && Boolean(node.host);
const idsOf = { document: method(Document, "getElementById"), fragment: method(DocumentFragment, "getElementById") };
const byId = (root, id) => (kindOf(root) === DOCUMENT ? idsOf.document(root, id) : isShadow(root) ? idsOf.fragment(root, id) : null);

// ---------------------------------------------------------------- references
let refs = new WeakMap();
const nodes = new Map();
let lastRef = 0;
const renumber = () => {
  refs = new WeakMap();
  nodes.clear();
  lastRef = 0;
};
const refOf = (node) => {
  let ref = refs.get(node);
  if (ref === undefined) {
    ref = ++lastRef;
    refs.set(node, ref);
    nodes.set(ref, new WeakRef(node));
  }
  return ref;
};
const nodeOf = (ref) => {
  const node = nodes.get(ref)?.deref();
  return node && isConnected(node) ? node : null;
};
const elementOf = (ref) => {
  const node = nodeOf(ref);
  return node && (kindOf(node) === TEXT ? parentOf(node) : node);
};

// ---------------------------------------------------------------- texts
const squeeze = (text) => (text.includes("\u200b") ? text.replaceAll("\u200b", "") : text).replace(/\s+/g, " ").trim();
const clip = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
const NAME_CHARS = 300;
const ROW_CHARS = 400;
const READ_CHARS = 10000; // of a text node, and of what goes into one name: more is never shown
const dataOf = getter(CharacterData, "data");
const textIn = (node) => {
  const data = dataOf(node);
  return data.length > READ_CHARS ? data.trimStart().slice(0, READ_CHARS) : data;
};

// ---------------------------------------------------------------- what is looked up once per call
const cached = {
  facts: new Map(), roles: new Map(), labels: new Map(), holdings: new Map(), sheets: new Map(), focusPath: null, read: 0,
};
const forget = () => {
  cached.facts.clear();
  cached.roles.clear();
  cached.labels.clear();
  cached.holdings.clear();
  cached.sheets.clear();
  cached.focusPath = null;
  cached.read = 0;
};
const fresh = (work) => (...args) => {
  forget();
  try {
    return work(...args);
  } finally {
    restRuler();
    forget(); // nothing here keeps a removed node alive
  }
};

// ---------------------------------------------------------------- the tree as it is drawn
const SKIP = new Set([
  "SCRIPT", "STYLE", "TEMPLATE", "NOSCRIPT", "HEAD", "META", "LINK", "TITLE", "DATALIST", "COL", "COLGROUP", "style", "script",
]);
// What is drawn beneath an element, where that is not simply its children (or its shadow root's).
const partsOf = (el, tag) => {
  if (tag === "SLOT") {
    const assigned = el.assignedNodes({ flatten: true });
    return assigned.length ? assigned : null;
  }
  if (tag !== "DETAILS" || el.open) return null;
  for (let child = firstElementOf(el); child; child = nextElementOf(child)) if (tagOf(child) === "SUMMARY") return [child];
  return [];
};
const composedParent = (node) => {
  const kind = kindOf(node);
  const slot = kind === ELEMENT ? slotOf(node) : kind === TEXT ? node.assignedSlot : null;
  return slot || parentOf(node) || (isShadow(node) ? node.host : null);
};
const within = (node, ancestor) => {
  for (let n = node; n; n = composedParent(n)) if (n === ancestor) return true;
  return false;
};
// Asking the browser costs time for every ancestor; what a drawn element of HTML holds is drawn unless its style says not.
const DRAWS_OTHERWISE = new Set(["CANVAS", "VIDEO", "AUDIO", "OBJECT", "IFRAME", "SELECT", "DETAILS", "METER", "PROGRESS"]);
const isDrawnWithParent = (el) => {
  const parent = parentOf(el);
  const facts = cached.facts.get(parent);
  return facts !== undefined && facts.drawn && isHtml(el) && isHtml(parent) && shadowOf(parent) === null
    && !DRAWS_OTHERWISE.has(tagOf(parent)) && !sheetFacts(el).skips;
};
// shown: drawn and visible. drawn: it may hold something visible. inline, boxless: how its text joins its neighbours'.
const factsOf = (el) => {
  let facts = cached.facts.get(el);
  if (facts) return facts;
  const style = getComputedStyle(el);
  const display = style.display;
  const boxless = display === "contents";
  const drawn = boxless || (display === "none" ? tagOf(el) === "AREA" && isMapped(el) : isDrawnWithParent(el) || hasBox(el));
  facts = { style, display, boxless, drawn, shown: drawn && style.visibility === "visible" };
  cached.facts.set(el, facts);
  return facts;
};
const isShown = (el) => factsOf(el).shown;
const flowsInline = (el) => {
  const { display, boxless } = factsOf(el);
  return boxless || display.startsWith("inline");
};
const joinsText = (el) => {
  const { display, boxless } = factsOf(el);
  return boxless || display === "inline" || display.startsWith("ruby");
};
const spoken = (text, el) => {
  if (!sheetFacts(el).transforms) return text;
  switch (factsOf(el).style.textTransform) {
    case "uppercase": return text.toUpperCase();
    case "lowercase": return text.toLowerCase();
    case "capitalize": return text.replace(/(^|[\s(\[{"'“‘-])(\p{Ll})/gu, (_, before, letter) => before + letter.toUpperCase());
    default: return text;
  }
};
const focusedNode = () => {
  let active = activeOf(document);
  for (;;) {
    const inner = active && kindOf(active) === ELEMENT && shadowOf(active);
    if (!inner || !activeOf(inner)) break;
    active = activeOf(inner);
  }
  return active && tagOf(active) !== "BODY" && tagOf(active) !== "HTML" ? active : null;
};
// What holds the focus is not hidden by aria-hidden.
const isAriaHidden = (el) => {
  if (attr(el, "aria-hidden") !== "true") return false;
  if (!cached.focusPath) {
    cached.focusPath = new Set();
    for (let node = focusedNode(); node; node = composedParent(node)) cached.focusPath.add(node);
  }
  return !cached.focusPath.has(el);
};
const born = performance.timeOrigin + performance.now(); // this world's clock is the real one; the page's is moved
