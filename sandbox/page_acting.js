// What actions ask of the page.
const say = (el) => {
  const role = roleOf(el) || tagOf(el).toLowerCase();
  const name = nameOf(el, role) || clip(textOf(el), 60);
  return name ? `${role} "${clip(name, 60)}"` : role;
};
const hitAt = (el, x, y) => {
  // Down through the frames that hold the element, then through shadow roots.
  const chain = [];
  for (let view = viewOf(documentOf(el)); view !== window; view = view.parent) chain.unshift(view);
  let [root, dx, dy] = [document, 0, 0];
  for (const view of chain) {
    const frame = view.frameElement;
    const above = hitOf(root, x - dx, y - dy);
    if (above !== frame) return above;
    const rect = rectOf(frame);
    dx += rect.x + frame.clientLeft;
    dy += rect.y + frame.clientTop;
    root = view.document;
  }
  let hit = hitOf(root, x - dx, y - dy);
  for (let shadow = hit && shadowOf(hit); shadow; shadow = shadowOf(hit)) {
    const inner = hitOf(shadow, x - dx, y - dy);
    if (!inner || inner === hit) break;
    hit = inner;
  }
  return hit;
};
const UNTYPED = ["checkbox", "radio", "button", "submit", "reset", "image", "file", "hidden"];
const takesText = (el) => tagOf(el) === "TEXTAREA" || isEditableHtml(el)
  || (tagOf(el) === "INPUT" && !UNTYPED.includes(el.type));
const isEditableHtml = (el) => isHtml(el) && isEditable(el);
const KINDS = {
  fill: (el) => (takesText(el) ? null : "cannot be filled with text"),
  select: (el) => (tagOf(el) === "SELECT" ? null : "is not a select"),
  upload: (el) => (tagOf(el) === "INPUT" && el.type === "file" ? null : "does not take files"),
  click: () => null,
  hover: () => null,
};
const SPOTS = [[0.5, 0.5], [0.25, 0.5], [0.75, 0.5], [0.5, 0.25], [0.5, 0.75]];
const isInView = (el, area) => {
  const [dx, dy] = offsetOf(el);
  const view = viewOf(documentOf(el));
  return area.x + dx >= 0 && area.y + dy >= 0 && area.right + dx <= innerWidth && area.bottom + dy <= innerHeight
    && (view === window || (area.x >= 0 && area.y >= 0 && area.right <= view.innerWidth && area.bottom <= view.innerHeight));
};
const aim = (ref, want) => {
  listen(window);
  const el = elementOf(ref);
  if (!el) return { error: `element ${ref} is not on the page any more` };
  const wrong = KINDS[want](el);
  if (wrong) return { error: `${say(el)} ${wrong}` };
  if (want !== "hover" && isDisabled(el)) return { error: `${say(el)} is disabled` };
  if (want === "fill" && el.readOnly === true) return { error: `${say(el)} is read-only` };
  if (want === "upload") {
    armed = true;
    return { tag: tagOf(el), type: el.type, multiple: el.multiple, accept: el.accept, moved: false }; // needs no spot
  }
  const labels = labelsOf(el);
  const target = !areasOf(el).length && labels.length ? labels[0] : el;
  if (!isShown(target)) return { error: `${say(el)} is not visible` };
  let moved = !isInView(target, areaOf(target));
  const center = () => scrollTo(tagOf(target) === "AREA" ? imageOf(target) : target, { block: "center", inline: "center", behavior: "instant" });
  if (moved) center();
  let cover = null;
  for (const attempt of [0, 1]) {
    moved ||= attempt > 0;
    if (attempt) center();
    const [ox, oy] = offsetOf(target);
    for (const rect of [...areasOf(target)].slice(0, 4)) {
      if (rect.width < 1 || rect.height < 1) continue;
      for (const [fx, fy] of SPOTS) {
        const [x, y] = [rect.x + ox + rect.width * fx, rect.y + oy + rect.height * fy];
        if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) continue;
        const hit = hitAt(target, x, y);
        if (hit && (within(hit, target) || labels.some((label) => within(hit, label)))) {
          armed = true;
          return { x, y, tag: tagOf(el), type: tagOf(el) === "FORM" ? "" : el.type || "", moved };
        }
        cover = cover || hit;
      }
    }
  }
  return { error: cover ? `${say(el)} is covered by ${say(cover)}` : `${say(el)} has no point that can be clicked` };
};
// For a frame's element: where its content begins, and whether it is what lies at a point of this document.
const frameBox = (ref) => {
  const el = elementOf(ref);
  if (!el) return { error: `element ${ref} is not on the page any more` };
  const rect = rectOf(el);
  return { x: rect.x + el.clientLeft, y: rect.y + el.clientTop, width: el.clientWidth, height: el.clientHeight };
};
const covered = (ref, x, y) => {
  const el = elementOf(ref);
  if (!el) return { error: `element ${ref} is not on the page any more` };
  const hit = hitAt(el, x, y);
  return hit && within(hit, el) ? {} : { error: hit ? `it is covered by ${say(hit)}` : "it is out of view" };
};
const grip = (ref) => {
  const el = elementOf(ref);
  if (!el) return { error: `element ${ref} went away when it was clicked` };
  if (focusedNode() !== el) el.focus({ preventScroll: true });
  if (focusedNode() !== el) return { error: `${say(el)} does not take the focus` };
  const editable = isEditableHtml(el);
  if (editable) viewOf(documentOf(el)).getSelection().selectAllChildren(el);
  else el.select?.();
  return { empty: editable ? !el.textContent : !el.value, pressed: presses > 0 };
};
const fire = (el) => {
  el.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
  el.dispatchEvent(new Event("change", { bubbles: true }));
};
const put = (ref, text) => {
  const el = elementOf(ref);
  const before = el.value;
  el.value = text;
  if (el.value !== text) {
    const came = el.value;
    el.value = before;
    const became = came ? ` (it would become ${JSON.stringify(came)})` : "";
    return { error: `${say(el)} does not take ${JSON.stringify(text)}${became}` };
  }
  fire(el);
  return { ...describe(el, roleOf(el)), value: el.value };
};
const choose = (ref, option) => {
  const el = elementOf(ref);
  const wanted = squeeze(option);
  const options = [...el.options];
  const lower = wanted.toLowerCase();
  const found = [
    options.filter((o) => squeeze(o.label) === wanted), options.filter((o) => o.value === option),
    options.filter((o) => squeeze(o.label).toLowerCase() === lower),
  ].find((list) => list.length);
  if (!found) {
    const names = options.map((o) => JSON.stringify(squeeze(o.label)));
    return { error: `${say(el)} has no option ${JSON.stringify(option)}; it has ${clip(names.join(", "), 300)}` };
  }
  const chosen = found.find((o) => !o.disabled && !o.parentElement.disabled);
  if (!chosen) return { error: `the option ${JSON.stringify(option)} of ${say(el)} is disabled` };
  el.focus({ preventScroll: true });
  if (!el.multiple) for (const o of options) if (o !== chosen) o.selected = false;
  const changed = !chosen.selected || !el.multiple;
  chosen.selected = true;
  if (changed) fire(el);
  return { ...describe(el, roleOf(el)), value: valueOf(el, "combobox") };
};
const SCROLLS = {
  up: ["Top", "Height", "Y", -1], down: ["Top", "Height", "Y", 1],
  left: ["Left", "Width", "X", -1], right: ["Left", "Width", "X", 1],
};
const scroll = (direction, ref = null) => {
  // The scrollable part around the element, or under the middle of the viewport, else the page: what a wheel would move.
  const [side, extent, axis, sign] = SCROLLS[direction];
  const page = scrollerOf(document) || docRoot(document);
  const moves = (el) => el[`scroll${extent}`] > el[`client${extent}`] + 1
    && ["auto", "scroll"].includes(getComputedStyle(el)[`overflow${axis}`]);
  let part = ref === null ? hitOf(document, innerWidth / 2, innerHeight / 2) : elementOf(ref);
  if (ref !== null && !part) return { error: `element ${ref} is not on the page any more` };
  const whole = (node) => !node || node === bodyOf(document) || node === docRoot(document);
  while (!whole(part) && !(isElement(part) && moves(part))) part = composedParent(part);
  if (whole(part)) part = page;
  if (!part) return { error: "the page is empty; nothing is there to scroll" };
  const before = part[`scroll${side}`];
  const step = sign * 0.8 * Math.min(part[`client${extent}`], extent === "Height" ? innerHeight : innerWidth);
  part.scrollBy({ [side.toLowerCase()]: step, behavior: "instant" });
  return part[`scroll${side}`] === before ? { error: `nothing left to scroll ${direction}` } : {};
};
