// Values, states, options and boxes.
const MOST_OPTIONS = 1000;
const holdsField = (el) => {
  let holds = cached.holdings.get(el);
  if (holds === undefined) cached.holdings.set(el, (holds = query(el, "input,[role=textbox],[role=searchbox]") !== null));
  return holds;
};
const valueOf = (el, role) => {
  const tag = tagOf(el);
  if (tag === "SELECT") return [...el.selectedOptions].map((option) => squeeze(option.label)).join(", ");
  if (tag === "INPUT") {
    if (["checkbox", "radio", "button", "submit", "reset", "image"].includes(el.type)) return null;
    if (el.type === "password") return "•".repeat(el.value.length);
    if (el.type === "file") return [...el.files].map((file) => file.name).join(", ");
    return el.value;
  }
  if (tag === "TEXTAREA") return el.value;
  if (tag === "PROGRESS" || tag === "METER") return String(el.value);
  if (role === "textbox" || role === "searchbox") return textOf(el);
  const stated = attr(el, "aria-valuetext") ?? attr(el, "aria-valuenow");
  return stated === null && role === "combobox" && !holdsField(el) ? textOf(el) : stated;
};
const isDisabled = (el) => (tagOf(el) !== "FIELDSET" && matches(el, ":disabled")) || closest(el, '[aria-disabled="true"]') !== null;
const checkedState = (el, role) => {
  const native = tagOf(el) === "INPUT" && (el.type === "checkbox" || el.type === "radio");
  if (native) return el.indeterminate ? "mixed" : el.checked ? "checked" : "";
  const stated = attr(el, "aria-checked");
  if (stated !== "true" && stated !== "mixed") return "";
  return stated === "true" ? "checked" : role === "radio" || role === "menuitemradio" || role === "switch" ? "" : "mixed";
};
const statesOf = (el, role) => {
  const states = [];
  const checked = checkedState(el, role);
  if (checked) states.push(checked);
  const current = attr(el, "aria-current");
  if (current && current !== "false") states.push("current");
  if (isDisabled(el)) states.push("disabled");
  const open = isSummary(el) ? String(parentOf(el).open) : attr(el, "aria-expanded");
  if (open === "true") states.push("expanded");
  if (open === "false") states.push("collapsed");
  const field = FIELDS.has(tagOf(el));
  const invalid = attr(el, "aria-invalid");
  if ((invalid && invalid !== "false") || (field && matches(el, ":user-invalid"))) states.push("invalid");
  const pressed = attr(el, "aria-pressed");
  if (role === "button" && (pressed === "true" || pressed === "mixed")) states.push(pressed === "true" ? "pressed" : "mixed");
  if ((field && el.readOnly === true) || attr(el, "aria-readonly") === "true") states.push("readonly");
  if ((field && el.required === true) || attr(el, "aria-required") === "true") states.push("required");
  if (attr(el, "aria-selected") === "true") states.push("selected");
  return states.sort();
};
const isSummary = (el) => tagOf(el) === "SUMMARY" && isDisclosure(el);
const optionsOf = (el) => {
  if (tagOf(el) !== "SELECT") return [];
  const names = [];
  for (const option of el.options) {
    if (names.length >= MOST_OPTIONS) break;
    if (!option.hidden) names.push(squeeze(option.label));
  }
  return names;
};
const checked = (ref) => {
  const el = elementOf(ref);
  if (!el) return null;
  const role = roleOf(el);
  if (role === "button") return attr(el, "aria-pressed") === null ? null : attr(el, "aria-pressed") === "true";
  if (!["checkbox", "radio", "switch", "menuitemcheckbox", "menuitemradio"].includes(role)) return null;
  return checkedState(el, role) === "checked";
};

const offsetOf = (el) => {
  let [x, y] = [0, 0];
  for (let view = viewOf(documentOf(el)); view !== window; view = view.parent) {
    const frame = view.frameElement;
    if (!frame) break; // another origin's: this frame reports for itself
    const rect = rectOf(frame);
    x += rect.x + frame.clientLeft;
    y += rect.y + frame.clientTop;
  }
  return [x, y];
};
// A part of an image map has no box of its own: it lies on the image that uses the map.
const imageOf = (area) => {
  const map = closest(area, "map");
  const name = map && attr(map, "name");
  return name ? queryAll(documentOf(area), `img[usemap="#${CSS.escape(name)}"]`)[0] || null : null;
};
const isMapped = (area) => {
  const image = imageOf(area);
  return image !== null && isShown(image);
};
const mapRect = (area) => {
  const image = imageOf(area);
  const whole = image ? rectOf(image) : new DOMRect();
  const numbers = (attr(area, "coords") || "").split(",").map(Number);
  if (!image || numbers.length < 3 || numbers.some(Number.isNaN)) return whole;
  const [cx, cy, r] = numbers;
  const points = numbers.length === 3 ? [cx - r, cy - r, cx + r, cy + r] : numbers;
  const [xs, ys] = [0, 1].map((side) => points.filter((_, index) => index % 2 === side));
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return new DOMRect(whole.x + left, whole.y + top, Math.max(...xs) - left, Math.max(...ys) - top);
};
const areasOf = (el) => {
  if (tagOf(el) === "AREA") return [mapRect(el)];
  return factsOf(el).boxless ? around(el).getClientRects() : rectsOf(el);
};
const areaOf = (el) => {
  if (tagOf(el) === "AREA") return mapRect(el);
  return factsOf(el).boxless ? around(el).getBoundingClientRect() : rectOf(el);
};
const round = (number) => Math.round(number * 10) / 10;
// One range serves for all texts: those that lie about have to be kept up to date by whatever changes the page.
const ruler = rangeIn(document);
const around = (node) => {
  ruler.selectNodeContents(node);
  return ruler;
};
const restRuler = () => ruler.setStart(document, 0) || ruler.collapse(true);
const boxOf = (node) => {
  const text = kindOf(node) === TEXT;
  const { x, y, width, height } = text ? around(node).getBoundingClientRect() : areaOf(node);
  if (width === 0 && height === 0) return null;
  const [dx, dy] = documentOf(node) === document ? NOWHERE : offsetOf(text ? parentOf(node) : node);
  return [round(x + dx), round(y + dy), round(width), round(height)];
};
const NOWHERE = [0, 0];
const inViewport = (box) => box !== null && box[0] < innerWidth && box[1] < innerHeight && box[0] + box[2] > 0 && box[1] + box[3] > 0;
