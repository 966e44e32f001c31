// Runs in an isolated world of every document, before any script of the page. The page's own world sees neither this
// script, nor its globals, nor the binding that it reports to. It writes nothing to the DOM.
//
//   look(cap)            the accessible elements, as one JSON-ready object
//   aim(ref, want)       scroll to an element, check that it can take the action, and say where to point
//   arm(), disarm()      open and close the window in which trusted input is the agent's own
//   later(ms)            after that much virtual time: does the page wait for animation frames?
//   frames(count)        after that many animation frames: does it wait for more?
//   grip(ref)            focus a field and select its content
//   choose(ref, option)  set a select's option; put(ref, text) set a field that no keyboard text can fill
"use strict";
const milepostPage = (() => {
  if (window !== window.top) return null; // frames of the same origin are walked from the top
  const refs = new WeakMap();
  const nodes = new Map();
  let lastRef = 0;
  let armed = false;
  const born = performance.timeOrigin + performance.now(); // this world's clock is the real one; the page's is moved
  const frames = [];

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
    return node?.isConnected ? node : null;
  };
  const squeeze = (text) => text.replace(/[\s\u200b]+/g, " ").trim();
  const clip = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
  const NAME_CHARS = 300;
  const ROW_CHARS = 400;

  // ---------------------------------------------------------------- roles
  const TEXT_TYPES = new Set(["text", "email", "tel", "url", "password", ""]);
  const INPUT_ROLES = {
    button: "button", submit: "button", reset: "button", image: "button", checkbox: "checkbox", radio: "radio",
    range: "slider", number: "spinbutton", search: "searchbox", file: "file", color: "color", hidden: null,
    date: "date", time: "time", month: "month", week: "week", "datetime-local": "datetime",
  };
  const TAG_ROLES = {
    BUTTON: "button", SUMMARY: "button", TEXTAREA: "textbox", H1: "heading", H2: "heading", H3: "heading", H4: "heading",
    H5: "heading", H6: "heading", TR: "row", OUTPUT: "status", PROGRESS: "progressbar", METER: "meter", DIALOG: "dialog",
    IFRAME: "iframe", FIELDSET: "group", TABLE: "table", VIDEO: "video", AUDIO: "audio", CANVAS: "canvas",
  };
  const INTERACTIVE = new Set([
    "button", "link", "textbox", "searchbox", "spinbutton", "slider", "checkbox", "radio", "switch", "combobox", "listbox",
    "option", "menuitem", "menuitemcheckbox", "menuitemradio", "tab", "treeitem", "file", "color", "date", "time", "month",
    "week", "datetime", "clickable", "scrollbar",
  ]);
  const FIELDS = new Set(["INPUT", "TEXTAREA", "SELECT"]);
  const KNOWN_ROLES = new Set([
    ...INTERACTIVE, "heading", "row", "status", "alert", "alertdialog", "dialog", "progressbar", "meter", "img", "group",
    "table", "grid", "treegrid", "tooltip", "log", "timer", "tabpanel", "note", "listitem", "cell", "gridcell",
    "columnheader", "rowheader", "article", "region", "navigation", "main", "banner", "contentinfo", "complementary",
    "search", "form", "list", "menu", "menubar", "tablist", "tree", "radiogroup", "toolbar", "presentation", "none",
    "generic", "paragraph", "separator", "figure", "feed", "definition", "term", "rowgroup", "img", "marquee", "math",
    "directory", "document", "application",
  ]);
  const explicitRole = (el) => {
    for (const token of (el.getAttribute("role") || "").toLowerCase().split(/\s+/)) if (KNOWN_ROLES.has(token)) return token;
    return null;
  };
  // Structure that a reader does not need: walked through, never reported.
  const TRANSPARENT = new Set([
    "presentation", "none", "generic", "list", "listitem", "navigation", "main", "banner", "contentinfo", "complementary",
    "form", "search", "rowgroup", "paragraph", "separator", "menu", "menubar", "tablist", "tree", "radiogroup", "toolbar",
    "article", "region", "figure", "feed", "definition", "term", "directory", "document", "application", "tabpanel",
    "cell", "gridcell", "columnheader", "rowheader", "table", "grid", "treegrid", "math", "marquee", "video", "audio", "canvas",
  ]);
  const FROM_CONTENT = new Set([
    "button", "link", "heading", "option", "menuitem", "menuitemcheckbox", "menuitemradio", "tab", "treeitem", "switch",
    "checkbox", "radio", "status", "alert", "tooltip", "log", "timer", "note", "row", "clickable",
  ]);
  // Their whole content is their name, so nothing beneath them is reported again.
  const LEAVES = new Set([
    "button", "link", "textbox", "searchbox", "spinbutton", "slider", "combobox", "checkbox", "radio", "switch", "option",
    "menuitem", "menuitemcheckbox", "menuitemradio", "tab", "img", "progressbar", "meter", "file", "color", "date", "time",
    "month", "week", "datetime", "tooltip", "clickable",
  ]);
  const roleOf = (el) => {
    const explicit = explicitRole(el);
    if (explicit && explicit !== "presentation" && explicit !== "none") return explicit;
    const tag = el.tagName;
    if (tag === "INPUT") {
      const type = el.type;
      if (TEXT_TYPES.has(type)) return el.getAttribute("list") ? "combobox" : "textbox";
      return type in INPUT_ROLES ? INPUT_ROLES[type] : "textbox";
    }
    if (tag === "SELECT") return el.multiple || el.size > 1 ? "listbox" : "combobox";
    if ((tag === "A" || tag === "AREA") && el.hasAttribute("href")) return "link";
    if (tag === "IMG") return el.alt ? "img" : null;
    if (el.isContentEditable && !el.parentElement?.isContentEditable) return "textbox";
    if (explicit) return explicit;
    if (tag in TAG_ROLES) return TAG_ROLES[tag];
    if (el.hasAttribute("onclick") || (el.hasAttribute("tabindex") && el.tabIndex >= 0)) return "clickable";
    return null;
  };

  // ---------------------------------------------------------------- names, values, states
  const shown = (el) => el.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: false });
  const SKIP = new Set(["SCRIPT", "STYLE", "TEMPLATE", "NOSCRIPT", "HEAD", "META", "LINK", "TITLE", "DATALIST", "COL", "COLGROUP"]);
  const childrenOf = (node) => {
    if (node.shadowRoot) return node.shadowRoot.childNodes;
    if (node.tagName === "SLOT") {
      const assigned = node.assignedNodes({ flatten: true });
      if (assigned.length) return assigned;
    }
    return node.childNodes;
  };
  const isInline = (el) => el.ownerDocument.defaultView.getComputedStyle(el).display.startsWith("inline");
  const textOf = (node, skip, top = true) => {
    if (node.nodeType === Node.TEXT_NODE) return node.data;
    if (node.nodeType !== Node.ELEMENT_NODE && node.nodeType !== Node.DOCUMENT_FRAGMENT_NODE) return "";
    if (node.nodeType === Node.ELEMENT_NODE) {
      if (SKIP.has(node.tagName) || (skip && node !== skip.root && skip.tags.has(node.tagName))) return "";
      if (node.tagName === "BR") return " ";
      if (!top && (node.getAttribute("aria-hidden") === "true" || !node.checkVisibility())) return "";
      const label = node.getAttribute("aria-label");
      if (!top && label) return ` ${label} `;
      if (node.tagName === "IMG") return node.alt ? ` ${node.alt} ` : "";
      if (!top && node.tagName === "INPUT") return ["submit", "button", "reset"].includes(node.type) ? ` ${node.value} ` : "";
      if (!top && node.tagName === "SELECT") return ` ${[...node.selectedOptions].map((o) => o.label).join(", ")} `;
    }
    let text = "";
    for (const child of childrenOf(node)) text += textOf(child, skip, false);
    return node.nodeType === Node.ELEMENT_NODE && !top && !isInline(node) ? ` ${text} ` : text;
  };
  const LABEL_SKIP = new Set(["SELECT", "TEXTAREA", "BUTTON", "INPUT", "OUTPUT"]);
  const byIds = (el, attribute) => {
    const root = el.getRootNode();
    return squeeze((el.getAttribute(attribute) || "").split(/\s+/).filter(Boolean)
      .map((id) => root.getElementById?.(id)).filter(Boolean).map((x) => textOf(x)).join(" "));
  };
  const rowName = (row) => {
    const cells = [...row.children].filter((c) => shown(c)).map((c) => squeeze(textOf(c))).filter(Boolean);
    return cells.join(" · ");
  };
  const nameOf = (el, role) => {
    let name = byIds(el, "aria-labelledby") || squeeze(el.getAttribute("aria-label") || "");
    if (name) return clip(name, NAME_CHARS);
    const tag = el.tagName;
    if (tag === "INPUT" && ["submit", "button", "reset"].includes(el.type)) {
      name = squeeze(el.value) || { submit: "Submit", reset: "Reset", button: "" }[el.type];
    } else if (tag === "IMG" || (tag === "INPUT" && el.type === "image")) {
      name = squeeze(el.alt);
    } else if (el.labels?.length) {
      name = squeeze([...el.labels].map((l) => textOf(l, { root: l, tags: LABEL_SKIP })).join(" "));
    } else if (tag === "FIELDSET") {
      const legend = el.querySelector(":scope > legend");
      name = legend ? squeeze(textOf(legend)) : "";
    } else if (role === "dialog" || role === "alertdialog") {
      const heading = el.querySelector("h1,h2,h3,h4,[role=heading]");
      name = heading ? squeeze(textOf(heading)) : "";
    }
    if (!name && role === "row") return clip(rowName(el) || squeeze(textOf(el)), ROW_CHARS);
    if (!name && FROM_CONTENT.has(role) && !FIELDS.has(tag)) name = squeeze(textOf(el));
    if (!name) name = squeeze(el.getAttribute("title") || "") || squeeze(el.getAttribute("placeholder") || el.getAttribute("aria-placeholder") || "");
    return clip(name, NAME_CHARS);
  };
  const valueOf = (el, role) => {
    const tag = el.tagName;
    if (tag === "SELECT") return [...el.selectedOptions].map((o) => squeeze(o.label)).join(", ");
    if (tag === "INPUT") {
      if (["checkbox", "radio", "button", "submit", "reset", "image"].includes(el.type)) return null;
      if (el.type === "password") return "•".repeat(el.value.length);
      if (el.type === "file") return [...el.files].map((f) => f.name).join(", ");
      return el.value;
    }
    if (tag === "TEXTAREA") return el.value;
    if (tag === "PROGRESS" || tag === "METER") return String(el.value);
    if (el.isContentEditable && role === "textbox") return squeeze(textOf(el));
    return el.getAttribute("aria-valuetext") ?? el.getAttribute("aria-valuenow");
  };
  const isDisabled = (el) => el.matches(":disabled") || Boolean(el.closest('[aria-disabled="true"]'));
  const statesOf = (el) => {
    const states = [];
    const aria = (name) => el.getAttribute("aria-" + name);
    const box = el.tagName === "INPUT" && (el.type === "checkbox" || el.type === "radio");
    if (box ? el.indeterminate : aria("checked") === "mixed") states.push("mixed");
    else if (box ? el.checked : aria("checked") === "true") states.push("checked");
    if (aria("current") && aria("current") !== "false") states.push("current");
    if (isDisabled(el)) states.push("disabled");
    const open = el.tagName === "SUMMARY" && el.parentElement?.tagName === "DETAILS" ? String(el.parentElement.open) : aria("expanded");
    if (open === "true") states.push("expanded");
    if (open === "false") states.push("collapsed");
    if (aria("invalid") === "true" || (FIELDS.has(el.tagName) && el.matches(":user-invalid"))) states.push("invalid");
    if (aria("pressed") === "true") states.push("pressed");
    if (el.readOnly === true || aria("readonly") === "true") states.push("readonly");
    if (el.required === true || aria("required") === "true") states.push("required");
    if (aria("selected") === "true") states.push("selected");
    return states.sort();
  };
  const optionsOf = (el) => (el.tagName === "SELECT" ? [...el.options].filter((o) => !o.hidden).map((o) => squeeze(o.label)) : []);

  // ---------------------------------------------------------------- the walk
  const offsetOf = (el) => {
    let [x, y] = [0, 0];
    for (let view = el.ownerDocument.defaultView; view !== window; view = view.parent) {
      const frame = view.frameElement.getBoundingClientRect();
      x += frame.x + view.frameElement.clientLeft;
      y += frame.y + view.frameElement.clientTop;
    }
    return [x, y];
  };
  const round = (number) => Math.round(number * 10) / 10;
  const boxOf = (node) => {
    let rect;
    if (node.nodeType === Node.TEXT_NODE) {
      const range = node.ownerDocument.createRange();
      range.selectNodeContents(node);
      rect = range.getBoundingClientRect();
    } else rect = node.getBoundingClientRect();
    if (rect.width === 0 && rect.height === 0) return null;
    const [x, y] = offsetOf(node.nodeType === Node.TEXT_NODE ? node.parentNode : node);
    return [round(rect.x + x), round(rect.y + y), round(rect.width), round(rect.height)];
  };
  const inViewport = (box) => box !== null && box[0] < innerWidth && box[1] < innerHeight && box[0] + box[2] > 0 && box[1] + box[3] > 0;

  const walkPage = (cap) => {
    const out = [];
    let omitted = 0;
    frames.length = 0;
    let run = null; // the piece of plain text being gathered
    const emit = (node, role, name, depth, frame, element, boxed) => {
      if (out.length >= cap) {
        omitted++;
        return;
      }
      const box = boxOf(boxed || node);
      const interactive = INTERACTIVE.has(role);
      out.push([
        refOf(node), role, name, element ? valueOf(element, role) : null, element ? statesOf(element) : [],
        element ? optionsOf(element) : [], depth, box, inViewport(box), interactive, frame,
      ]);
    };
    const flush = () => {
      if (run) {
        const text = squeeze(run.text);
        if (text && /[\p{L}\p{N}\p{S}]/u.test(text)) emit(run.node, "text", clip(text, 2 * NAME_CHARS), run.depth, run.frame, null);
      }
      run = null;
    };
    const walkChildren = (node, depth, frame, quiet) => {
      for (const child of childrenOf(node)) walk(child, depth, frame, quiet);
    };
    // quiet: plain text here is already part of a reported name
    const walk = (node, depth, frame, quiet) => {
      if (node.nodeType === Node.TEXT_NODE) {
        if (quiet || !node.data.trim()) {
          if (run && !quiet) run.text += " ";
          return;
        }
        const parent = node.parentElement;
        if (parent && !shown(parent)) return;
        if (!run) run = { node, text: "", depth, frame };
        run.text += node.data;
        return;
      }
      if (node.nodeType !== Node.ELEMENT_NODE || SKIP.has(node.tagName)) return;
      if (node.getAttribute("aria-hidden") === "true") return;
      const tag = node.tagName;
      const rendered = node.checkVisibility();
      if (!rendered && tag !== "SLOT" && node.ownerDocument.defaultView.getComputedStyle(node).display !== "contents") return;
      const visible = tag === "SLOT" || shown(node);
      let role = visible ? roleOf(node) : null;
      if (tag === "BR") {
        if (run) run.text += " ";
        return;
      }
      if (tag === "OPTION" || tag === "OPTGROUP") return;
      if (tag === "LABEL" && node.control) {
        const control = node.control;
        flush();
        if (["checkbox", "radio", "file"].includes(control.type) && !control.checkVisibility()) {
          const controlRole = roleOf(control);
          emit(control, controlRole, nameOf(control, controlRole), depth, frame, control, node);
        }
        return walkChildren(node, depth, frame, true);
      }
      if (tag === "LEGEND" && node.parentElement?.tagName === "FIELDSET") return walkChildren(node, depth, frame, true);
      if (tag === "IFRAME" || tag === "FRAME") {
        flush();
        let inner = null;
        try {
          inner = node.contentDocument;
        } catch (error) {
          inner = null; // another origin: its content is not ours to read
        }
        if (inner?.body && visible) {
          const index = frames.push(node);
          listen(inner.defaultView);
          walkChildren(inner.body, depth, index, false);
          flush();
        } else if (visible) emit(node, "iframe", nameOf(node, "iframe"), depth, frame, node);
        return;
      }
      if (role === "row" && (node.querySelector("table,form") || textOf(node).length > ROW_CHARS)) role = null;
      if (role === "group" && !nameOf(node, role)) role = null;
      if (role !== null && !TRANSPARENT.has(role)) {
        flush();
        const name = nameOf(node, role);
        const empty = !name && (role === "status" || role === "alert" || role === "heading" || role === "row" || role === "log" || role === "note");
        if (!empty) emit(node, role, name, depth, frame, node);
        if (LEAVES.has(role) || tag === "SELECT") return;
        walkChildren(node, empty ? depth : depth + 1, frame, quiet || (!empty && FROM_CONTENT.has(role)));
        flush();
        return;
      }
      if (tag === "DETAILS" && !node.open) {
        flush();
        for (const child of node.children) if (child.tagName === "SUMMARY") return walk(child, depth, frame, quiet);
        return;
      }
      const block = tag !== "SLOT" && !isInline(node);
      if (block) flush();
      walkChildren(node, depth, frame, quiet);
      if (block) flush();
    };
    const modals = document.querySelectorAll("dialog:modal");
    if (modals.length) walk(modals[modals.length - 1], 0, 0, false); // the rest of the page is inert
    else if (document.body) walk(document.body, 0, 0, false);
    flush();
    return [out, omitted];
  };
  const focusedNode = () => {
    let active = document.activeElement;
    for (;;) {
      if (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
      else if (active?.tagName === "IFRAME") {
        let inner = null;
        try {
          inner = active.contentDocument?.activeElement;
        } catch (error) {
          inner = null; // another origin
        }
        if (!inner || inner === active.contentDocument.body) return inner ? null : active;
        active = inner;
      } else return active && active !== document.body && active !== document.documentElement ? active : null;
    }
  };
  const look = (cap) => {
    listen(window);
    const [elements, omitted] = walkPage(cap);
    const focused = focusedNode();
    return { url: location.href, title: squeeze(document.title), focused: focused && refOf(focused), elements, omitted, now: Date.now() };
  };

  // ---------------------------------------------------------------- the journal of trusted events
  const journal = (entry) => milepostJournal(JSON.stringify(entry));
  const reported = (event) => {
    const path = event.composedPath();
    const own = path.find((n) => n.nodeType === Node.ELEMENT_NODE);
    for (const node of path) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      const role = roleOf(node);
      if (role !== null && !TRANSPARENT.has(role) && role !== "row" && role !== "group" && role !== "dialog") return [node, role];
    }
    return own ? [own, "text"] : [null, null];
  };
  const describe = (node, role) => ({
    ref: refOf(node), role, name: role === "text" ? clip(squeeze(textOf(node)), NAME_CHARS) : nameOf(node, role), url: location.href,
  });
  const onClick = (event) => {
    const link = event.composedPath().find((n) => n.tagName === "A" && n.hasAttribute("download"));
    if (link && armed) journal({ kind: "download-link" });
    if (!event.isTrusted) return;
    const [node, role] = reported(event);
    if (node) journal({ kind: "click", ...describe(node, role) });
  };
  const onInput = (event) => {
    if (!event.isTrusted || !armed) return; // a page's execCommand makes trusted input too, so it counts only while the agent acts
    const [node, role] = reported(event);
    if (!node) return;
    const box = node.type === "checkbox" || node.type === "radio";
    journal({ kind: "input", ...describe(node, role), value: box ? (node.checked ? "checked" : "unchecked") : valueOf(node, role) ?? "" });
  };
  const onSubmit = (event) => {
    if (!event.isTrusted || !armed) return;
    const form = event.composedPath()[0];
    const name = squeeze(form.getAttribute("aria-label") || "") || byIds(form, "aria-labelledby") || form.getAttribute("name") || form.id || "";
    journal({ kind: "submit", ref: refOf(form), name, url: location.href });
  };
  const onFocus = (event) => {
    if (!event.isTrusted || !armed) return;
    const [node, role] = reported(event);
    if (node) journal({ kind: "focus", ...describe(node, role) });
  };
  const listen = (view) => {
    // Adding the same listener twice does nothing, so this also mends what document.open() took away.
    view.addEventListener("click", onClick, true);
    view.addEventListener("input", onInput, true);
    view.addEventListener("submit", onSubmit, true);
    view.addEventListener("focusin", onFocus, true);
  };
  listen(window);

  // ---------------------------------------------------------------- acting
  const elementOf = (ref) => {
    const node = nodeOf(ref);
    return node && (node.nodeType === Node.TEXT_NODE ? node.parentElement : node);
  };
  const say = (el) => {
    const role = roleOf(el) || el.tagName.toLowerCase();
    const name = nameOf(el, role) || clip(squeeze(textOf(el)), 60);
    return name ? `${role} "${clip(name, 60)}"` : role;
  };
  const composedParent = (node) => node.assignedSlot || node.parentNode || node.host || null;
  const within = (node, ancestor) => {
    for (let n = node; n; n = composedParent(n)) if (n === ancestor) return true;
    return false;
  };
  const hitAt = (el, x, y) => {
    // Down through the frames that hold the element, then through shadow roots.
    const chain = [];
    for (let view = el.ownerDocument.defaultView; view !== window; view = view.parent) chain.unshift(view);
    let [doc, dx, dy] = [document, 0, 0];
    for (const view of chain) {
      const frame = view.frameElement;
      if (doc.elementFromPoint(x - dx, y - dy) !== frame) return doc.elementFromPoint(x - dx, y - dy);
      const rect = frame.getBoundingClientRect();
      dx += rect.x + frame.clientLeft;
      dy += rect.y + frame.clientTop;
      doc = view.document;
    }
    let hit = doc.elementFromPoint(x - dx, y - dy);
    while (hit?.shadowRoot) {
      const inner = hit.shadowRoot.elementFromPoint(x - dx, y - dy);
      if (!inner || inner === hit) break;
      hit = inner;
    }
    return hit;
  };
  const KINDS = {
    fill: (el) => ((el.tagName === "INPUT" && !["checkbox", "radio", "button", "submit", "reset", "image", "file", "hidden"].includes(el.type))
      || el.tagName === "TEXTAREA" || el.isContentEditable ? null : "cannot be filled with text"),
    select: (el) => (el.tagName === "SELECT" ? null : "is not a select"),
    click: () => null,
  };
  const aim = (ref, want) => {
    listen(window);
    const el = elementOf(ref);
    if (!el) return { error: `element ${ref} is not on the page any more` };
    const wrong = KINDS[want](el);
    if (wrong) return { error: `${say(el)} ${wrong}` };
    if (isDisabled(el)) return { error: `${say(el)} is disabled` };
    if (want === "fill" && el.readOnly) return { error: `${say(el)} is read-only` };
    let target = el;
    if (!el.getClientRects().length && el.labels?.length) target = el.labels[0];
    if (!shown(target)) return { error: `${say(el)} is not visible` };
    const area = target.getBoundingClientRect();
    const view = el.ownerDocument.defaultView;
    const [dx, dy] = offsetOf(target);
    const seen = area.x + dx >= 0 && area.y + dy >= 0 && area.right + dx <= innerWidth && area.bottom + dy <= innerHeight
      && (view === window || (area.x >= 0 && area.y >= 0 && area.right <= view.innerWidth && area.bottom <= view.innerHeight));
    let moved = !seen;
    if (!seen) target.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    let cover = null;
    for (const attempt of [0, 1]) {
      moved ||= attempt > 0;
      if (attempt) target.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
      const [ox, oy] = offsetOf(target);
      for (const rect of [...target.getClientRects()].slice(0, 4)) {
        if (rect.width < 1 || rect.height < 1) continue;
        for (const [fx, fy] of [[0.5, 0.5], [0.25, 0.5], [0.75, 0.5], [0.5, 0.25], [0.5, 0.75]]) {
          const [x, y] = [rect.x + ox + rect.width * fx, rect.y + oy + rect.height * fy];
          if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) continue;
          const hit = hitAt(target, x, y);
          if (hit && (within(hit, target) || [...(el.labels || [])].some((l) => within(hit, l)))) {
            armed = true;
            return { x, y, tag: el.tagName, type: el.type || "", moved };
          }
          cover = cover || hit;
        }
      }
    }
    return { error: cover ? `${say(el)} is covered by ${say(cover)}` : `${say(el)} has no point that can be clicked` };
  };
  const grip = (ref) => {
    const el = elementOf(ref);
    if (!el) return { error: `element ${ref} went away when it was clicked` };
    if (focusedNode() !== el) el.focus({ preventScroll: true });
    if (focusedNode() !== el) return { error: `${say(el)} does not take the focus` };
    if (el.isContentEditable) el.ownerDocument.getSelection().selectAllChildren(el);
    else el.select?.();
    return { empty: el.isContentEditable ? !el.textContent : !el.value };
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
      return { error: `${say(el)} does not take ${JSON.stringify(text)}${came ? ` (it would become ${JSON.stringify(came)})` : ""}` };
    }
    fire(el);
    return { ...describe(el, roleOf(el)), value: el.value };
  };
  const choose = (ref, option) => {
    const el = elementOf(ref);
    const wanted = squeeze(option);
    const options = [...el.options];
    const same = (test) => options.filter(test);
    const lower = wanted.toLowerCase();
    const found = [
      same((o) => squeeze(o.label) === wanted), same((o) => o.value === option), same((o) => squeeze(o.label).toLowerCase() === lower),
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
  const scroll = (direction) => {
    // The scrollable part under the middle of the viewport, else the page: what a wheel would move.
    let part = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
    const moves = (el) => el.scrollHeight > el.clientHeight + 1 && ["auto", "scroll"].includes(getComputedStyle(el).overflowY);
    while (part && part !== document.body && part !== document.documentElement && !moves(part)) part = part.parentElement;
    if (!part || part === document.body) part = document.scrollingElement || document.documentElement;
    const before = part.scrollTop;
    part.scrollBy({ top: (direction === "down" ? 0.8 : -0.8) * Math.min(part.clientHeight, innerHeight), behavior: "instant" });
    return part.scrollTop === before ? { error: `nothing left to scroll ${direction}` } : {};
  };

  // ---------------------------------------------------------------- settling
  let lastFrame = 0;
  const waitsForFrames = () => {
    // The ids of animation frame requests are numbered through for all worlds: a gap says that the page has made one.
    const id = requestAnimationFrame(() => {});
    cancelAnimationFrame(id);
    const asked = id > lastFrame + 1;
    lastFrame = id;
    return asked;
  };
  const finishAnimations = () => {
    // Frames stand still between steps, so transitions and animations that end are ended at once; endless ones are left alone.
    let any = false;
    for (const animation of document.getAnimations()) {
      if (animation.playState !== "running" || !Number.isFinite(animation.effect?.getComputedTiming().endTime)) continue;
      animation.finish();
      any = true;
    }
    return any;
  };
  const unsettled = () => {
    const moved = finishAnimations();
    return waitsForFrames() || moved;
  };
  const later = (ms) => {
    return new Promise((resolve) => setTimeout(() => resolve(unsettled()), ms));
  };
  const animationFrames = (count) => new Promise((resolve) => {
    const tick = () => {
      if (--count > 0) return void requestAnimationFrame(tick);
      lastFrame = requestAnimationFrame(() => {});
      cancelAnimationFrame(lastFrame);
      return resolve(finishAnimations());
    };
    requestAnimationFrame(tick);
  });
  return {
    later, frames: animationFrames, born, look, aim, grip, put, choose, scroll,
    arm: () => { listen(window); armed = true; return {}; },
    disarm: () => { armed = false; },
  };
})();
