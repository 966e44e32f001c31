// Which screen is there, how one leads to another, and what keys do. The address tells it all, so going back works.

import { byId, count, el, percent, plural, toast } from "./dom.js";
import { compareKey, hideCompare, showCompare } from "./compare.js";
import { curvesKey, hideCurves, showCurves } from "./curves.js";
import { episodeKey, hideEpisode, showEpisode } from "./episode.js";
import { filterBy, filterFrom, filterQuery, hideList, list, listKey, neighbour, showList, useRun } from "./list.js";
import { isFile, readRun, Refused } from "./source.js";

const main = byId("main");
const help = byId("help");
let screenName = "";

function goScreen(address) {
  if (location.hash === address) route();
  else location.hash = address;
}

function replaceAddress(address) {
  history.replaceState(null, "", address);
}

const listAddress = () => `#/${filterQuery()}`;

function pointHome() { // the list is found again as it was left
  document.querySelector("nav a").setAttribute("href", listAddress());
}

function compareWith(number) {
  if (list.marked === null || list.marked === number) {
    list.marked = list.marked === number ? null : number;
    toast(list.marked === null ? "No longer marked" : `#${number} is marked; press c on another episode to compare the two`);
  } else {
    const first = list.marked;
    list.marked = null;
    goScreen(`#/c/${first}/${number}/0`);
  }
}

const actions = {
  open: (number) => goScreen(`#/e/${number}/0`),
  filtered: () => {
    replaceAddress(listAddress());
    pointHome();
  },
  compare: compareWith,
  pair: (one, other) => goScreen(`#/c/${one}/${other}/0`),
  beside: (number, by) => {
    const next = neighbour(number, by);
    if (next === null) toast(by > 0 ? "That was the last episode of the list" : "That was the first episode of the list");
    else {
      list.at = list.rows.findIndex((row) => row.number === next);
      replaceAddress(`#/e/${next}/0`);
      route();
    }
  },
  iteration: (iteration) => {
    filterBy({ iteration: String(iteration) });
    goScreen(listAddress());
  },
};

const SCREENS = [
  [/^#\/e\/(\d+)(?:\/(\d+))?$/, "episode", ([, number, at]) => showEpisode(main, Number(number), Number(at ?? 0), {
    ...actions, at: (n) => replaceAddress(`#/e/${number}/${n}`),
  })],
  [/^#\/c\/(\d+)\/(\d+)(?:\/(\d+))?$/, "compare", ([, one, other, at]) => showCompare(main, [Number(one), Number(other)], Number(at ?? 0), {
    ...actions, at: (n) => replaceAddress(`#/c/${one}/${other}/${n}`),
  })],
  [/^#\/curves$/, "curves", () => showCurves(main, actions)],
  [/^#?\/?(?:\?(.*))?$/, "list", ([, query]) => { filterFrom(query ?? ""); showList(main, actions); }],
];
const KEYS = { list: listKey, episode: episodeKey, compare: compareKey, curves: curvesKey };

async function route() {
  for (const hide of [hideList, hideEpisode, hideCompare, hideCurves]) hide();
  const [found, name, show] = SCREENS.map(([pattern, ...rest]) => [pattern.exec(location.hash), ...rest]).find(([match]) => match !== null) ?? [["", ""], "list", SCREENS.at(-1)[2]];
  screenName = name;
  pointHome();
  document.body.dataset.screen = name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.screen === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const unknown = (name === "episode" || name === "compare") && found.slice(1, name === "compare" ? 3 : 2).some((n) => !list.byNumber.has(Number(n)));
  try {
    if (unknown) throw new Refused("There is no such episode here.");
    await show(found);
  } catch (error) {
    complain(error);
  }
}

function complain(error) {
  const text = error instanceof Refused ? error.message : error instanceof TypeError && !isFile ? "The server does not answer. Is milepost view still running?" : String(error);
  main.replaceChildren(el("p", { class: "wait bad" }, text, " ", el("a", { href: "#/" }, "Back to the list")));
}

function back() {
  if (screenName !== "list") goScreen(listAddress());
  else if (filterQuery() !== "") listKey("x");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || help.open) return;
  const { target, key } = event;
  if (target.matches("input, select, textarea")) {
    if (key === "Escape" || (key === "Enter" && target.id === "search")) {
      (byId("grid") ?? main).focus();
      event.preventDefault();
    }
    return;
  }
  if ((key === "Enter" || key === " ") && target.closest("a, button, summary")) return; // they have their own meaning there
  const scrolls = target.matches("pre, .both") && ["ArrowDown", "ArrowUp", "Home", "End"].includes(key);
  if (scrolls || (key.length === 1 && event.repeat && key === "c")) return;
  const everywhere = {
    "?": () => help.showModal(),
    g: () => goScreen(screenName === "curves" ? listAddress() : "#/curves"),
    Escape: back,
    u: back,
    "/": () => { if (screenName === "list") byId("search").focus(); else goScreen(listAddress()); },
  };
  if (key in everywhere) everywhere[key]();
  else if (!KEYS[screenName](key)) return;
  event.preventDefault();
});

byId("help-button").addEventListener("click", () => help.showModal());
help.addEventListener("keydown", (event) => {
  if (event.key === "?") {
    help.close();
    event.preventDefault();
    event.stopPropagation(); // else the key would open it again
  }
});
window.addEventListener("hashchange", route);

function describeRun(run) {
  document.title = `${run.name}: milepost view`;
  byId("run-name").textContent = run.name;
  const { all } = run.summary;
  const parts = [plural(all.episodes + all.broken, "episode"), `${percent(all.success_rate)} success`];
  if (all.undecided > 0) parts.push(`${count(all.undecided)} undecided`);
  if (all.broken > 0) parts.push(`${count(all.broken)} broken by the machine`);
  if (isFile) parts.push(`${count(run.episodes.length)} in this file`);
  byId("sum").textContent = parts.join("  \u00b7  ");
}

try {
  const run = await readRun();
  useRun(run);
  describeRun(run);
  if (isFile && location.hash === "" && run.episodes.length <= 2) {
    const numbers = run.episodes.map(([number]) => number);
    replaceAddress(numbers.length === 1 ? `#/e/${numbers[0]}/0` : `#/c/${numbers.join("/")}/0`);
  }
  await route();
} catch (error) {
  complain(error);
}
