// What the run measured, iteration by iteration. One cursor runs through all plots and reads their values.

import { byId, el, percent, plural, svg } from "./dom.js";
import { list } from "./list.js";

const [WIDTH, HEIGHT] = [400, 170];
const EDGE = { left: 40, right: 10, top: 8, bottom: 22 };
const COLOURS = 8;
const SINGLE = [
  ["train/reward_fraction", "Reward, share of the most", true], ["train/entropy", "Entropy, nats per token", false], ["train/kl", "KL to the frozen model, nats per token", false],
  ["train/loss", "Loss", false], ["train/grad_norm", "Gradient norm", false], ["train/clip_fraction", "Clipped tokens", true],
  ["time/iteration_s", "Seconds per iteration", false],
];
const STAGES = { untrained: "untrained", warm_start: "after warm start", trained: "trained" };
let plots = null; // {at, panels, actions}; null while another screen is there

export function hideCurves() {
  plots = null;
}

function panelsOf({ curves, tasks }) {
  const lines = (prefix) => Object.keys(curves).filter((name) => name.startsWith(prefix)).map((name) => ({ label: name.slice(prefix.length), values: curves[name] }));
  const panels = [];
  if (curves["train/success"]) panels.push({ title: "Success of sampled episodes", share: true, lines: [{ label: "all tasks", values: curves["train/success"] }, ...lines("train/success/")] });
  for (const [name, title, share] of SINGLE) if (curves[name]) panels.push({ title, share, lines: [{ label: title, values: curves[name] }] });
  if (curves["train/groups"]) {
    panels.push({ title: "Groups of an iteration", share: false, lines: [{ label: "all", values: curves["train/groups"] }, { label: "dead", values: curves["train/dead_groups"] ?? [] }] });
  }
  for (const task of new Set([...tasks.map(({ name }) => name.replace(/-v\d+$/, "")), ...lines("milestone/").map(({ label }) => label.split("/")[0])])) {
    const own = lines(`milestone/${task}/`);
    if (own.length > 0) panels.splice(1, 0, { title: `Milestones of ${task}`, share: true, lines: own });
  }
  return panels.map((panel) => ({ ...panel, lines: panel.lines.filter(({ values }) => values.some(isNumber)) })).filter(({ lines: l }) => l.length > 0);
}

function isNumber(value) {
  return typeof value === "number";
}

function form(value, share) {
  if (!isNumber(value)) return "\u2013";
  return share ? percent(value) : String(Number(value.toPrecision(3)));
}

export function showCurves(main, actions) {
  const { run } = list;
  plots = { at: run.iterations.length - 1, panels: [], actions };
  const panels = panelsOf(run);
  const body = panels.length === 0 ? [el("p", { class: "quiet" }, "This run wrote no metrics: there is nothing to plot.")]
    : [el("p", { class: "cursor" }, el("span", { id: "cursor", role: "status" }), " ",
      el("button", { type: "button", id: "its-episodes", onclick: () => openIteration() }, el("kbd", {}, "Enter"), " Its episodes")),
    el("div", { class: "plots" }, panels.map((panel) => plot(panel, run.iterations)))];
  main.replaceChildren(el("section", { class: "curves", "aria-label": "Curves" }, el("h1", {}, "Curves"), heldOut(run), body));
  if (panels.length > 0) moveCursor(plots.at);
  byId("main").focus({ preventScroll: true });
}

function plot(panel, iterations) {
  const all = panel.lines.flatMap(({ values }) => values.filter(isNumber));
  const top = panel.share ? Math.max(1, ...all) : Math.max(...all, 0) || 1;
  const bottom = Math.min(0, ...all);
  const [first, last] = [iterations[0], iterations.at(-1)];
  const x = (iteration) => EDGE.left + (WIDTH - EDGE.left - EDGE.right) * (last === first ? 0.5 : (iteration - first) / (last - first));
  const y = (value) => HEIGHT - EDGE.bottom - (HEIGHT - EDGE.top - EDGE.bottom) * (value - bottom) / (top - bottom);
  const grid = [bottom, (top + bottom) / 2, top].map((value) => [
    svg("line", { class: "rule", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value) }),
    svg("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, panel.share ? `${Math.round(100 * value)}%` : form(value, false)),
  ]);
  const ends = [...new Set([first, last])].map((iteration, n) => svg("text", { x: x(iteration), y: HEIGHT - 6, "text-anchor": first === last ? "middle" : n === 0 ? "start" : "end" }, String(iteration)));
  const drawn = panel.lines.map((line, n) => curve(line.values.map((value, i) => (isNumber(value) ? [x(iterations[i]), y(value)] : null)), n));
  const cursor = svg("line", { class: "now", y1: EDGE.top, y2: HEIGHT - EDGE.bottom });
  const readings = panel.lines.map(() => el("b", {}));
  plots.panels.push({ panel, x, cursor, readings, iterations });
  const ended = panel.lines.map(({ label, values }) => `${label} ${form(values.findLast(isNumber), panel.share)}`).join(", ");
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${panel.title}, at the end: ${ended}`, onclick: (event) => pick(event, picture, x, iterations) }, grid, ends, drawn, cursor);
  return el("figure", {}, el("figcaption", {}, panel.title), picture,
    el("ul", { class: "legend" }, panel.lines.map(({ label }, n) => el("li", {}, el("i", { class: `swatch s${n % COLOURS}` }), el("bdi", {}, label), " ", readings[n]))));
}

function curve(points, n) {
  const parts = [];
  let pen = "M";
  for (const point of points) {
    if (point === null) { pen = "M"; continue; }
    parts.push(`${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`);
    pen = "L";
  }
  const there = points.filter((point) => point !== null);
  const dots = there.length > 40 ? [] : there.map(([cx, cy]) => svg("circle", { cx, cy, r: n === 0 ? 2.6 : 1.8 }));
  return svg("g", { class: `line s${n % COLOURS}${n === 0 ? " strong" : ""}` }, svg("path", { d: parts.join("") }), dots);
}

function pick(event, picture, x, iterations) {
  const box = picture.getBoundingClientRect();
  const at = (event.clientX - box.left) * WIDTH / box.width;
  const distances = iterations.map((iteration) => Math.abs(x(iteration) - at));
  moveCursor(distances.indexOf(Math.min(...distances)));
}

function moveCursor(to) {
  const { panels } = plots;
  const { iterations } = panels[0];
  plots.at = Math.max(0, Math.min(to, iterations.length - 1));
  const iteration = iterations[plots.at];
  for (const { panel, x, cursor, readings } of panels) {
    cursor.setAttribute("x1", x(iteration));
    cursor.setAttribute("x2", x(iteration));
    panel.lines.forEach(({ values }, n) => { readings[n].textContent = form(values[plots.at], panel.share); });
  }
  const own = list.all.filter((row) => row.iteration === iteration).length;
  byId("cursor").textContent = `Iteration ${iteration}, ${plural(own, "episode")} recorded`;
  byId("its-episodes").disabled = own === 0;
}

function openIteration() {
  plots.actions.iteration(plots.panels[0].iterations[plots.at]);
}

function heldOut({ evaluations }) {
  const stages = Object.keys(STAGES).filter((stage) => evaluations[stage]);
  if (stages.length === 0) return null;
  const tasks = [...new Set(stages.flatMap((stage) => Object.keys(evaluations[stage])))];
  const cell = (result) => (result === undefined ? el("td", {}, "\u2013") : el("td", {}, el("b", {}, percent(result.success_rate)),
    el("span", { class: "quiet" }, ` ${result.successes} of ${result.episodes}; ${Math.round(100 * result.low)} to ${Math.round(100 * result.high)}\u202f%`)));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Held-out success" }, el("table", { class: "held" }, el("caption", {}, "Held-out success, with 95 % intervals"),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Task"), stages.map((stage) => el("th", { scope: "col" }, STAGES[stage])))),
    el("tbody", {}, tasks.map((task) => el("tr", {}, el("th", { scope: "row" }, el("bdi", {}, task)), stages.map((stage) => cell(evaluations[stage][task])))))));
}

export function curvesKey(key) {
  if (plots === null || plots.panels.length === 0) return false;
  const moves = { j: plots.at + 1, ArrowRight: plots.at + 1, k: plots.at - 1, ArrowLeft: plots.at - 1, Home: 0, End: Infinity };
  if (key in moves) moveCursor(moves[key]);
  else if (key === "Enter" && !byId("its-episodes").disabled) openIteration();
  else return false;
  return true;
}
