// The journal of trusted events.
let armed = false;
const QUIET_ROLES = new Set(["row", "group", "dialog"]);
const journal = (entry) => milepostJournal(JSON.stringify(entry));
// Whether the browser itself delivers an event, or a script has set it off: element.click(), requestSubmit() and execCommand
// make trusted events too, also in a handler of the agent's own click. Where no script runs, a microtask that one listener
// asks for is done before the next listener is called; beneath a script it waits for that script's end.
let delivered = false;
const onAny = () => {
  delivered = false;
  queueMicrotask(() => {
    delivered = true;
  });
};
const reported = (event) => {
  const path = event.composedPath();
  const own = path.find((node) => isNode(node) && kindOf(node) === ELEMENT);
  for (const node of path) {
    if (!isNode(node) || kindOf(node) !== ELEMENT) continue;
    const role = roleOf(node);
    if (INTERACTIVE.has(role) || (SPEAKING.has(role) && !QUIET_ROLES.has(role))) return [node, role];
  }
  return own ? [own, "text"] : [null, null];
};
const describe = (node, role) => ({
  ref: refOf(node), role, name: role === "text" ? clip(textOf(node), NAME_CHARS) : nameOf(node, role), url: location.href,
});
const onClick = fresh((event) => {
  const link = event.composedPath().find((node) => isNode(node) && kindOf(node) === ELEMENT && tagOf(node) === "A" && hasAttr(node, "download"));
  if (link && armed) journal({ kind: "download-link" });
  if (!event.isTrusted || !delivered) return;
  const [node, role] = reported(event);
  if (node) journal({ kind: "click", ...describe(node, role) });
});
const onInput = fresh((event) => {
  if (!event.isTrusted || !delivered || !armed) return;
  const [node, role] = reported(event);
  if (!node) return;
  const box = tagOf(node) === "INPUT" && (node.type === "checkbox" || node.type === "radio");
  journal({ kind: "input", ...describe(node, role), value: box ? (node.checked ? "checked" : "unchecked") : valueOf(node, role) ?? "" });
});
const onSubmit = fresh((event) => {
  if (!event.isTrusted || !delivered || !armed) return;
  const form = event.composedPath()[0];
  const name = squeeze(attr(form, "aria-label") || "") || byIds(form, "aria-labelledby") || attr(form, "name") || attr(form, "id") || "";
  journal({ kind: "submit", ref: refOf(form), name, url: location.href });
});
const onFocus = fresh((event) => {
  if (!event.isTrusted || !armed) return;
  const [node, role] = reported(event);
  if (node) journal({ kind: "focus", ...describe(node, role) });
});
// Whether a press of the mouse has arrived: Chromium may drop input to a document that it has not shown yet.
let presses = 0;
const onPress = (event) => {
  if (event.isTrusted) presses++;
};
const listen = (view) => {
  // Adding the same listener twice does nothing, so this also mends what document.open() took away.
  view.addEventListener("pointerdown", onPress, true);
  for (const kind of ["click", "input", "submit"]) view.addEventListener(kind, onAny, true); // before those that ask it
  view.addEventListener("click", onClick, true);
  view.addEventListener("input", onInput, true);
  view.addEventListener("submit", onSubmit, true);
  view.addEventListener("focusin", onFocus, true);
};
listen(window);
