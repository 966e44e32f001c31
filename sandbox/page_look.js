// The walk that finds what there is to report, in document order, without recursion: pages may be nested without end.
const MOST_NODES = 200000; // beyond these a page is not read: what is omitted is then a lower bound
const walkPage = (cap) => {
  const out = [];
  const unnumbered = []; // what an agent cannot act on and used to stay unseen takes its number last
  const inner = [];
  const shadows = [];
  const stack = [];
  let omitted = 0;
  let visits = 0;
  let run = null; // the piece of plain text being gathered

  const emit = (node, role, name, depth, frame, element, boxed, late) => {
    if (out.length >= cap) {
      omitted++;
      return;
    }
    const box = boxOf(boxed || node);
    const interactive = element !== null && isInteractive(element, role);
    const row = [
      0, role, name, element ? valueOf(element, role) : null, element ? statesOf(element, role) : [],
      element ? optionsOf(element) : [], depth, box, inViewport(box), interactive, frame,
    ];
    if (late && !interactive) unnumbered.push([row, node]);
    else row[0] = refOf(node);
    out.push(row);
  };
  const flush = () => {
    if (run) {
      const text = squeeze(run.text);
      if (text && /[\p{L}\p{N}\p{S}]/u.test(text)) emit(run.node, "text", clip(text, 2 * NAME_CHARS), run.depth, run.frame, null);
    }
    run = null;
  };
  // quiet: plain text here is already part of a reported name; controls: only what can be acted on is reported
  const descend = (el, depth, from, quiet = from.quiet, controls = from.controls, flushes = false, frame = from.frame) => {
    const list = partsOf(el, tagOf(el));
    const shadow = shadowOf(el);
    if (shadow) shadows.push(shadow);
    const child = list ? null : firstOf(shadow || el);
    stack.push({ list, at: 0, child, depth, frame, quiet, controls, flushes });
  };
  const addText = (node, at) => {
    const text = textIn(node);
    if (at.quiet || !text.trim()) {
      if (run && !at.quiet) run.text += " ";
      return;
    }
    const parent = node.parentElement;
    if (parent && !isShown(parent)) return;
    if (!run) run = { node, text: "", depth: at.depth, frame: at.frame };
    if (run.text.length < READ_CHARS) run.text += parent ? spoken(text, parent) : text;
  };
  const addFrame = (el, at) => {
    flush();
    if (!isShown(el)) return;
    emit(el, "iframe", nameOf(el, "iframe"), at.depth, at.frame, el);
    const rect = rectOf(el);
    inner.push([refOf(el), round(rect.x + el.clientLeft), round(rect.y + el.clientTop), inViewport(boxOf(el))]);
  };
  const addLabel = (label, control, at) => {
    flush();
    if (control && ["checkbox", "radio", "file"].includes(control.type) && !hasBox(control)) {
      const role = roleOf(control);
      emit(control, role, nameOf(control, role), at.depth, at.frame, control, label);
    }
    descend(label, at.depth, at, at.quiet || (control !== null && !isNamedByAuthor(control)));
  };
  const full = () => out.length >= cap;
  // Report an element of this role; return whether that was all, its content seen to.
  const report = (el, role, at) => {
    if (CONTAINERS.has(role)) {
      const name = full() ? "" : nameOf(el, role);
      if (!name && (full() || !isTabbable(el))) return false;
      flush();
      emit(el, role, name, at.depth, at.frame, el, el, true);
      if (tagOf(el) !== "CANVAS") descend(el, at.depth + 1, at, at.quiet, at.controls, true);
      return true;
    }
    if (CELLS.has(role) && !isInteractive(el, role) && !hasState(el)) return false;
    flush();
    const { name, fromContent } = full() ? { name: "", fromContent: true } : naming(el, role);
    if (!full() && !name && MUST_SPEAK.has(role) && !isInteractive(el, role)) return false;
    if (role === "row") return reportRow(el, name, at);
    if (role === "clickable" && fromContent && isWide(el, name)) {
      emit(el, role, "", at.depth, at.frame, el);
      descend(el, at.depth + 1, at, at.quiet, at.controls, true);
      return true;
    }
    emit(el, role, name, at.depth, at.frame, el, el, role === "columnheader" || CELLS.has(role));
    const leaf = LEAVES.has(role) || (role === "clickable" && fromContent);
    if (tagOf(el) === "SELECT" || (leaf && !firstElementOf(shadowOf(el) || el))) return true;
    descend(el, at.depth + 1, at, at.quiet || leaf || fromContent, at.controls || leaf, true);
    return true;
  };
  const reportRow = (el, name, at) => {
    const wide = name.length >= ROW_CHARS || query(el, "table,form") !== null;
    if (wide && tagOf(el) === "TR" && !query(closest(el, "table") || el, "th")) return false; // a row that only lays the page out
    if (!name) return false;
    emit(el, "row", wide ? "" : name, at.depth, at.frame, el, el, wide);
    descend(el, at.depth + 1, at, at.quiet || !wide, at.controls, true);
    return true;
  };
  const enter = (node, at) => {
    const kind = kindOf(node);
    if (kind === TEXT) return addText(node, at);
    if (kind !== ELEMENT) return;
    const tag = tagOf(node);
    if (SKIP.has(tag)) return;
    if (tag === "BR") {
      if (run) run.text += " ";
      return;
    }
    const facts = factsOf(node);
    if (!facts.drawn || isAriaHidden(node) || hasAttr(node, "inert")) return;
    if (tag === "IFRAME" || tag === "FRAME") return addFrame(node, at);
    if (tag === "LABEL" && node.control) return addLabel(node, node.control, at);
    const role = facts.shown ? roleOf(node) : null;
    const wanted = role !== null && (at.controls ? INTERACTIVE.has(role) : REPORTED.has(role) || CELLS.has(role));
    if (wanted && report(node, role, at)) return;
    const quiet = at.quiet || (tag === "LEGEND" && namesItsSet(node));
    const flushes = !flowsInline(node);
    if (flushes) flush();
    descend(node, at.depth, at, quiet, at.controls, flushes);
  };

  const modals = queryAll(document, "dialog:modal");
  const top = { depth: 0, frame: 0, quiet: false, controls: false };
  if (modals.length) stack.push({ ...top, list: [modals[modals.length - 1]], at: 0, child: null, flushes: true }); // the rest is inert
  else if (bodyOf(document)) descend(bodyOf(document), 0, top);
  while (stack.length) {
    const at = stack[stack.length - 1];
    const node = at.list ? at.list[at.at++] : at.child;
    if (!node || visits++ > MOST_NODES) {
      if (at.flushes) flush();
      stack.pop();
      continue;
    }
    if (!at.list) at.child = nextOf(node);
    enter(node, at);
  }
  flush();
  if (visits > MOST_NODES) omitted++;
  for (const [row, node] of unnumbered) row[0] = refOf(node);
  return { elements: out, omitted, frames: inner, shadows };
};
const isNamedByAuthor = (el) => hasAttr(el, "aria-label") || hasAttr(el, "aria-labelledby");
const namesItsSet = (legend) => {
  const set = parentOf(legend);
  return isElement(set) && tagOf(set) === "FIELDSET" && !isNamedByAuthor(set);
};
const hasState = (el) => ["aria-selected", "aria-checked", "aria-expanded"].some((name) => attr(el, name) === "true");
// A clickable part of the page that says much, or holds structure of its own, is no button: its content is reported.
const isWide = (el, name) => name.length >= NAME_CHARS / 2
  || [...queryIn(el, "h1,h2,h3,h4,h5,h6,table,li,form,p+p")].slice(0, 8).some(isShown);
const look = (cap) => {
  listen(window);
  const { shadows, ...seen } = walkPage(cap);
  closePickers([document, ...shadows]);
  const focused = focusedNode();
  return { url: location.href, title: squeeze(titleOf(document)), focused: focused && refOf(focused), ...seen, now: Date.now() };
};
const selection = () => {
  const field = focusedNode();
  if (field && (tagOf(field) === "TEXTAREA" || tagOf(field) === "INPUT") && field.type !== "password") {
    try {
      if (field.selectionEnd > field.selectionStart) return field.value.slice(field.selectionStart, field.selectionEnd);
    } catch (error) {
      // a kind of field that has no selection
    }
  }
  return String(window.getSelection());
};
