// The page's HTML as a reader needs it: what is drawn, with the fields' present values, and within a number of characters.
const VOID_TAGS = new Set(["area", "base", "br", "col", "embed", "hr", "img", "input", "source", "track", "wbr"]);
const HTML_SKIP = new Set(["SCRIPT", "STYLE", "TEMPLATE", "NOSCRIPT", "HEAD", "META", "LINK", "DATALIST", "style", "script"]);
const DRAWING_DETAIL = new Set([
  "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "defs", "use", "clipPath", "mask", "filter",
  "linearGradient", "radialGradient", "pattern", "marker", "metadata", "symbol",
]);
const DROPPED = /^(on|data-|style$|srcset$|sizes$|nonce$|integrity$|crossorigin$|xmlns|jsaction$|jsname$|ping$)/;
const KEPT_IN_DRAWINGS = /^(id|class|role|aria-.*|href|tabindex)$/;
const ATTRIBUTE_CHARS = 100;
const NOTICE_CHARS = 40;
const escapeText = (text) => text.replace(/[&<>]/g, (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[char]);
const escapeValue = (text) => escapeText(text).replace(/"/g, "&quot;");
const attributesOf = (el, tag) => {
  const kept = new Map();
  for (const name of attrNames(el)) {
    if (!DROPPED.test(name) && (isHtml(el) || KEPT_IN_DRAWINGS.test(name))) kept.set(name, attr(el, name));
  }
  if (tag === "INPUT") {
    if (el.type === "checkbox" || el.type === "radio") el.checked ? kept.set("checked", "") : kept.delete("checked");
    else if (el.type === "password") kept.set("value", "•".repeat(el.value.length));
    else if (el.type !== "file" && (el.value || kept.has("value"))) kept.set("value", el.value);
  } else if (tag === "OPTION") el.selected ? kept.set("selected", "") : kept.delete("selected");
  let text = "";
  for (const [name, value] of kept) {
    const short = clip(squeeze(value), ATTRIBUTE_CHARS);
    text += short ? ` ${name}="${escapeValue(short)}"` : ` ${name}`;
  }
  return text;
};
const html = (limit) => {
  const out = [];
  const stack = [];
  let length = 0;
  let closing = 0; // characters that the open elements still need
  let left = 0;
  let visits = 0;
  const room = (text, later = 0) => left === 0 && length + text.length + closing + later <= limit - NOTICE_CHARS;
  const write = (text) => {
    out.push(text);
    length += text.length;
  };
  const open = (el, start, end, nodesOf) => {
    if (!room(start, end.length)) {
      left++;
      if (nodesOf) stack.push({ nodes: nodesOf(), at: 0, end: null });
      return;
    }
    write(start);
    if (nodesOf) {
      closing += end.length;
      stack.push({ nodes: nodesOf(), at: 0, end });
    } else if (end) write(end);
  };
  const enter = (node) => {
    const kind = kindOf(node);
    if (kind === TEXT) {
      const parent = node.parentElement;
      if (left || (parent && tagOf(parent) !== "OPTION" && !isShown(parent))) return;
      const text = escapeText(textIn(node).replace(/\s+/g, " "));
      if (text === " " && out.at(-1)?.endsWith(" ")) return;
      if (room(text)) write(text);
      else if (text.trim()) left++;
      return;
    }
    if (kind !== ELEMENT) return;
    const tag = tagOf(node);
    if (HTML_SKIP.has(tag) || DRAWING_DETAIL.has(tag)) return;
    const inSelect = tag === "OPTION" || tag === "OPTGROUP";
    if (!inSelect && (!factsOf(node).drawn || !(isShown(node) || firstElementOf(node)))) return;
    const name = isHtml(node) ? tag.toLowerCase() : tag;
    const start = `<${name}${attributesOf(node, tag)}>`;
    if (tag === "TEXTAREA") return open(node, start + escapeText(clip(node.value, 2 * NAME_CHARS)), `</${name}>`, null);
    if (VOID_TAGS.has(name)) return open(node, start, "", null);
    if (tag === "IFRAME") return open(node, start, `</${name}>`, null);
    const shadow = shadowOf(node);
    if (!shadow) return open(node, start, `</${name}>`, () => childrenIn(node));
    open(node, start, `</${name}>`, () => [{ shadow }, ...childrenIn(node)]);
  };
  const childrenIn = (node) => {
    const parts = isElement(node) && tagOf(node) === "DETAILS" ? partsOf(node, "DETAILS") : null;
    if (parts) return parts;
    const children = [];
    for (let child = firstOf(node); child; child = nextOf(child)) children.push(child);
    return children;
  };
  if (bodyOf(document)) enter(bodyOf(document));
  while (stack.length) {
    const at = stack[stack.length - 1];
    const node = at.nodes[at.at++];
    if (!node || visits++ > MOST_NODES) {
      stack.pop();
      if (at.end !== null) {
        closing -= at.end.length;
        write(at.end);
      }
    } else if (node.shadow) open(node, '<template shadowrootmode="open">', "</template>", () => childrenIn(node.shadow));
    else enter(node);
  }
  return out.join("") + (left ? `\n(${left} more elements not shown)` : "");
};
