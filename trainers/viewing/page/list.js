// The list of episodes. Only the rows in sight are in the document, so ten thousand scroll like ten.

import { amount, byId, count, el, percent, plural, said } from "./dom.js";

const ROW_PX = 30;
const SPARE_ROWS = 8;
const NO_FILTER = { task: "", outcome: "", milestone: "", stop: "", failure: "", iteration: "", q: "" };
const COLUMNS = [
  ["number", "Episode"], ["iteration", ""], ["task", "Task"], ["seed", "Seed"], ["outcome", "Outcome"],
  ["total", "Reward"], [null, "Milestones"], ["steps", "Steps"], ["stop", "Ended by"],
];

export const list = { run: null, rows: [], at: 0, marked: null, filter: { ...NO_FILTER }, sort: ["number", 1] };
let shown = null; // the elements of the screen, while it is there

export function useRun(run) {
  list.run = run;
  COLUMNS[1][1] = run.batch === "sample" ? "Sample" : "Iter.";
  list.rows = run.episodes.map((values) => {
    const row = {};
    run.fields.forEach((name, place) => { row[name] = values[place]; });
    return row;
  });
  list.all = list.rows;
  list.byNumber = new Map(list.all.map((row) => [row.number, row]));
}

export function reached(row, bit) {
  return Math.floor(row.bits / 2 ** bit) % 2 === 1;
}

export function outcomeOf(row) {
  return list.run.outcomes[row.outcome];
}

export function siblings(number) {
  const own = list.byNumber.get(number);
  if (own === undefined) return [];
  return list.all.filter((row) => row.task === own.task && row.seed === own.seed && row.number !== number);
}

export function neighbour(number, by) {
  const place = list.rows.findIndex((row) => row.number === number);
  const next = list.rows[place === -1 ? 0 : place + by];
  return next === undefined ? null : next.number;
}

function matches(row) {
  const { task, outcome, milestone, stop, failure, iteration, q } = list.filter;
  if (task !== "" && row.task !== Number(task)) return false;
  if (outcome !== "" && row.outcome !== Number(outcome)) return false;
  if (stop !== "" && row.stop !== Number(stop)) return false;
  if (iteration !== "" && String(row.iteration) !== iteration) return false;
  if (failure === "errors" ? row.errors === 0 : failure !== "" && row.failure !== Number(failure)) return false;
  if (milestone !== "") {
    const [ofTask, bit, yes] = milestone.split(".");
    if (row.task !== Number(ofTask) || reached(row, Number(bit)) !== (yes === "1")) return false;
  }
  if (q === "") return true;
  const text = `${list.run.tasks[row.task].name} seed ${outcomeOf(row)} ${list.run.stops[row.stop]}`.toLowerCase();
  const isThere = (word) => (/^#?\d+$/.test(word) ? [row.number, row.seed].includes(Number(word.replace("#", ""))) : text.includes(word));
  return q.toLowerCase().trim().split(/\s+/).every(isThere);
}

function apply() {
  const current = list.rows[list.at];
  list.rows = list.all.filter(matches);
  const [name, direction] = list.sort;
  const words = { task: (r) => list.run.tasks[r.task].name, stop: (r) => list.run.stops[r.stop] }[name];
  const value = words ?? ((row) => row[name] ?? -1);
  if (name !== "number" || direction < 0) {
    list.rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return (x < y ? -1 : x > y ? 1 : 0) * direction || a.number - b.number;
    });
  }
  list.at = Math.max(0, list.rows.indexOf(current));
}

export function filterBy(changes) {
  list.filter = { ...NO_FILTER, ...changes };
  list.at = 0;
  apply();
}

// The filters as a part of the address, so that it can be kept and gone back to.
export function filterQuery() {
  const set = Object.entries(list.filter).filter(([, value]) => value !== "");
  return set.length === 0 ? "" : `?${new URLSearchParams(set)}`;
}

export function filterFrom(query) {
  const told = Object.fromEntries(new URLSearchParams(query));
  list.filter = { ...NO_FILTER };
  for (const name of Object.keys(NO_FILTER)) if (told[name] !== undefined) list.filter[name] = told[name].slice(0, 200);
  apply();
}

function options() {
  const { run } = list;
  const all = (text) => [["", text]];
  const words = (values) => values.map((word, place) => [String(place), word]);
  const iterations = [...new Set(list.all.map((row) => row.iteration))].filter((n) => n !== null);
  return {
    task: [...all("All tasks"), ...words(run.tasks.map((task) => task.name))],
    outcome: [...all("Any outcome"), ...words(run.outcomes)],
    milestone: all("Any milestone"),
    stop: [...all("Any ending"), ...words(run.stops)],
    failure: [
      ...all("Any failure"), ["errors", "an impossible action"],
      ...words(run.failures).filter(([, word]) => word !== "").map(([value, word]) => [value, `machine: ${word}`]),
    ],
    iteration: [...all(`All ${run.batch}s`), ...iterations.map((n) => [String(n), `${run.batch} ${n}`])],
  };
}

function choice(name, label, changed) {
  const select = el("select", { "aria-label": label, "data-filter": name, onchange: () => changed(name, select.value) });
  for (const [value, text] of options()[name]) select.append(el("option", { value }, text));
  if (name === "milestone") {
    list.run.tasks.forEach((task, place) => {
      const group = el("optgroup", { label: task.name });
      task.milestones.forEach((milestone, bit) => {
        group.append(el("option", { value: `${place}.${bit}.1` }, `${milestone.id} reached`));
        group.append(el("option", { value: `${place}.${bit}.0` }, `${milestone.id} missed`));
      });
      select.append(group);
    });
  }
  select.value = list.filter[name];
  return select;
}

export function showList(main, actions) {
  apply();
  const changed = (name, value) => {
    list.filter[name] = value;
    list.at = 0;
    apply();
    actions.filtered();
    redraw();
  };
  const search = el("input", {
    type: "search", id: "search", placeholder: "Search", "aria-label": "Search task, seed, outcome, ending",
    value: list.filter.q, autocomplete: "off", spellcheck: "false", oninput: () => changed("q", search.value),
  });
  const clear = el("button", { type: "button", id: "clear", onclick: () => { clearFilters(actions); } }, el("kbd", {}, "x"), " Clear");
  const labels = { task: "Task", outcome: "Outcome", milestone: "Milestone", stop: "Ended by", failure: "Failure", iteration: list.run.batch === "sample" ? "Sample" : "Iteration" };
  const filters = el("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
    search, Object.entries(labels).map(([name, label]) => choice(name, label, changed)), clear);
  const heads = el("div", { role: "row", class: "row head" }, COLUMNS.map(([name, text]) => head(name, text)));
  const space = el("div", { class: "space", role: "rowgroup" });
  const grid = el("div", { class: "grid", role: "grid", tabindex: "0", id: "grid", "aria-label": "Episodes" },
    el("div", { role: "rowgroup", class: "heads" }, heads), space);
  const result = el("p", { class: "result", id: "result", role: "status" });
  main.replaceChildren(el("section", { class: "list", "aria-label": "Episodes" }, el("h1", { class: "unseen" }, "Episodes"), filters, result, grid));
  grid.addEventListener("scroll", () => drawRows());
  shown = { grid, space, result, clear, actions };
  redraw();
  scrollTo();
  grid.focus({ preventScroll: true });
}

export function hideList() {
  shown = null;
}

function head(name, text) {
  if (name === null) return el("span", { role: "columnheader", class: "milestones" }, text);
  const [by, direction] = list.sort;
  return el("span", { role: "columnheader", class: name, "aria-sort": by !== name ? "none" : direction > 0 ? "ascending" : "descending" },
    el("button", { type: "button", tabindex: "-1", onclick: () => sortBy(name) }, text));
}

function sortBy(name) {
  list.sort = [name, list.sort[0] === name ? -list.sort[1] : 1];
  apply();
  shown.grid.querySelector(".head").replaceChildren(...COLUMNS.map(([of, text]) => head(of, text)));
  redraw();
}

export function clearFilters(actions = shown.actions) {
  list.filter = { ...NO_FILTER };
  list.at = 0;
  actions.filtered();
  showList(byId("main"), actions);
}

function redraw() {
  const { rows, all } = list;
  const decided = rows.filter((row) => ["success", "failed"].includes(outcomeOf(row)));
  const won = decided.filter((row) => outcomeOf(row) === "success").length;
  const rate = decided.length === 0 ? "" : `, ${count(won)} of ${count(decided.length)} succeeded: ${percent(won / decided.length)}`;
  shown.result.textContent = rows.length === all.length ? `${plural(all.length, "episode")}${rate}`
    : `${count(rows.length)} of ${plural(all.length, "episode")}${rate}`;
  shown.clear.hidden = filterQuery() === "";
  shown.grid.setAttribute("aria-rowcount", rows.length + 1);
  shown.space.style.height = `${rows.length * ROW_PX}px`;
  drawRows();
}

function drawRows() {
  const { grid, space } = shown;
  const first = Math.max(0, Math.floor(grid.scrollTop / ROW_PX) - SPARE_ROWS);
  const last = Math.min(list.rows.length, Math.ceil((grid.scrollTop + grid.clientHeight) / ROW_PX) + SPARE_ROWS);
  const drawn = [];
  for (let place = first; place < last; place += 1) drawn.push(rowElement(list.rows[place], place));
  if (drawn.length === 0) drawn.push(el("div", { role: "row", class: "row none" }, el("span", { role: "gridcell" }, "No episode fits these filters.")));
  space.replaceChildren(...drawn);
  if (list.rows.length > 0) grid.setAttribute("aria-activedescendant", `row-${list.at}`);
  else grid.removeAttribute("aria-activedescendant");
}

function rowElement(row, place) {
  const task = list.run.tasks[row.task];
  const outcome = outcomeOf(row);
  const most = task.most ?? 1;
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("span", { class: "filled" }));
  bar.firstChild.style.width = `${100 * Math.max(0, Math.min(1, row.total / (most || 1)))}%`;
  const pips = task.milestones.map((milestone, bit) => el("i", {
    class: reached(row, bit) ? (milestone.forbidden ? "pip fault" : "pip on") : "pip", title: milestone.id,
  }));
  const got = task.milestones.filter((_, bit) => reached(row, bit)).length;
  const cell = (name, ...children) => el("span", { role: "gridcell", class: name }, children);
  const made = el("div", {
    role: "row", id: `row-${place}`, "aria-rowindex": place + 2, "aria-selected": place === list.at ? "true" : "false",
    class: row.number === list.marked ? "row marked" : "row",
    onclick: () => { list.at = place; shown.actions.open(row.number); },
  },
  cell("number", el("a", { href: `#/e/${row.number}`, tabindex: "-1" }, `#${row.number}`)),
  cell("iteration", row.iteration === null ? "" : String(row.iteration)),
  cell("task", said(task.name)), cell("seed", String(row.seed)),
  cell("outcome", el("span", { class: `dot ${outcome}` }, outcome)),
  cell("total", row.unscored > 0 ? "unscored" : amount(row.total), bar),
  cell("milestones", el("span", { role: "img", "aria-label": `${got} of ${task.milestones.length} reached` }, pips)),
  cell("steps", String(row.steps)), cell("stop", said(list.run.stops[row.stop])));
  made.style.transform = `translateY(${place * ROW_PX}px)`;
  return made;
}

function scrollTo() {
  const { grid } = shown;
  const top = list.at * ROW_PX;
  const room = grid.clientHeight - ROW_PX; // the column heads stay in sight
  if (top < grid.scrollTop) grid.scrollTop = top;
  else if (top + ROW_PX > grid.scrollTop + room) grid.scrollTop = top + ROW_PX - room;
}

function go(place) {
  list.at = Math.max(0, Math.min(place, list.rows.length - 1));
  scrollTo();
  drawRows();
}

export function listKey(key) {
  const page = Math.max(1, Math.floor(shown.grid.clientHeight / ROW_PX) - 2);
  const moves = {
    j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity,
  };
  const row = list.rows[list.at];
  if (key in moves) go(moves[key] === -Infinity ? 0 : moves[key] === Infinity ? list.rows.length : list.at + moves[key]);
  else if ((key === "Enter" || key === "o") && row !== undefined) shown.actions.open(row.number);
  else if (key === "x") clearFilters();
  else if (key === "c" && row !== undefined) {
    shown.actions.compare(row.number);
    if (shown !== null) drawRows();
  } else return false;
  return true;
}
