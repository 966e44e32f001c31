// Lists and calendars that a field opens: windows of the browser's own, outside the page. No picture is drawn while one
// is open, and it would take the next keys and clicks. So each is closed before the page is looked at, unheard by the
// page: a field that is given another box loses its picker. That box lasts for this task, and is of the same size unless
// the page lays its field out in a rare way.
const PICKERS = CSS.supports("selector(:open)") ? "select:open,input:open" : null;
const SAME_BOX = { "inline-block": "inline-flex", "inline-flex": "inline-block", block: "flex", flex: "block" };
const animate = method(Element, "animate");
const cancelOf = method(Animation, "cancel");
const setAttr = method(Element, "setAttribute");
const removeAttr = method(Element, "removeAttribute");
const pickersIn = ofRoot("querySelectorAll", method);
const isOfThePage = (el) => tagOf(el) === "SELECT" && getComputedStyle(el, "::picker(select)").appearance === "base-select";
const insist = (el, display) => {
  // The page's own style is "!important", which no animation overrules. What is written here an observer can see.
  const was = attr(el, "style");
  el.style.setProperty("display", display, "important");
  rectOf(el);
  if (was === null) removeAttr(el, "style");
  else setAttr(el, "style", was);
};
const closePickers = (roots) => {
  if (!PICKERS) return;
  for (const root of roots) {
    for (const el of pickersIn(root, PICKERS)) {
      if (isOfThePage(el)) continue;
      const display = SAME_BOX[getComputedStyle(el).display] || "none";
      const boxed = animate(el, [{ display }, { display }], 1e9);
      rectOf(el); // has the box made
      cancelOf(boxed);
      if (matches(el, PICKERS)) insist(el, display);
    }
  }
};
