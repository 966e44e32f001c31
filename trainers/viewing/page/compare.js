// Two episodes side by side, step by step, and where they part.

import { byId, el, said, toast, amount } from "./dom.js";
import { action, earned, headline, isEnd, picture, pictureNote, timeline, tokens } from "./moment.js";
import { exportAddress, isFile, readEpisode, readPictures } from "./source.js";

let pair = null; // {numbers, episodes, pictures, at, actions}; null while another screen is there

export function hideCompare() {
  pair = null;
}

export async function showCompare(main, numbers, at, actions) {
  const mine = { numbers, episodes: null, pictures: [null, null], at: 0, actions };
  pair = mine;
  const episodes = await Promise.all(numbers.map(readEpisode));
  if (pair !== mine) return;
  mine.episodes = episodes;
  mine.at = Math.max(0, Math.min(at, last(mine)));
  main.replaceChildren(pairScreen(mine));
  drawPair(mine);
  byId("main").focus({ preventScroll: true });
  for (const side of [0, 1]) { // one after the other: the server takes pictures of what was asked last
    try {
      const told = await readPictures(numbers[side], () => pair === mine);
      if (pair !== mine || told === null) return;
      mine.pictures[side] = told;
      drawPair(mine);
    } catch (error) {
      if (pair === mine) toast(String(error.message || error), true);
    }
  }
}

function last({ episodes }) {
  return Math.max(...episodes.map((episode) => episode.moments.length)) - 1;
}

function parting({ episodes }) {
  const [a, b] = episodes.map((episode) => episode.moments);
  for (let n = 0; n < Math.max(a.length, b.length); n += 1) {
    if (a[n]?.action !== b[n]?.action || a[n]?.page !== b[n]?.page) return n;
  }
  return null;
}

function pairScreen(mine) {
  const { numbers, episodes } = mine;
  const n = parting(mine);
  const sameGoal = episodes[0].goal === episodes[1].goal;
  const where = n === null ? "The two are the same." : n === 0 && episodes[0].moments[0].page !== episodes[1].moments[0].page
    ? "They begin on different pages." : `They part at step ${n + 1}.`;
  return el("section", { class: "compare", "aria-label": `Episodes ${numbers[0]} and ${numbers[1]}` },
    el("div", { class: "heading" }, el("h1", {}, `#${numbers[0]} and #${numbers[1]}`), el("p", { class: "quiet", id: "parting" }, where),
      el("span", { class: "tools" }, isFile ? null : el("a", { class: "button", id: "export", href: exportAddress(numbers), download: true }, el("kbd", {}, "e"), " Save as a file"))),
    sameGoal ? el("p", { class: "goal" }, el("span", { class: "tag" }, "Goal"), said(episodes[0].goal)) : null,
    el("div", { class: "pair" }, [0, 1].map((side) => el("section", { class: "side", "aria-label": `Episode ${numbers[side]}` },
      el("a", { class: "which", href: `#/e/${numbers[side]}` }, `#${numbers[side]}`), headline(episodes[side]),
      sameGoal ? null : el("p", { class: "goal" }, said(episodes[side].goal)),
      el("figure", { id: `figure-${side}` }), el("div", { id: `did-${side}` })))),
    el("div", { class: "both", id: "steps", tabindex: "0", role: "region", "aria-label": "Steps of both" }, stepTable(mine)),
    el("div", { class: "pair below" }, [0, 1].map((side) => el("section", { class: "side", "aria-label": `Rewards of episode ${numbers[side]}` },
      el("h2", {}, "Earned"), el("div", { id: `earned-${side}` }), el("h2", {}, "Milestones"), el("div", { id: `timeline-${side}` })))));
}

function stepTable(mine) {
  const rows = [];
  for (let n = 0; n <= last(mine); n += 1) {
    const moments = mine.episodes.map((episode) => episode.moments[n]);
    const words = moments.map((moment) => (moment === undefined ? "" : isEnd(moment) ? "end" : moment.action));
    rows.push(el("tr", { class: words[0] === words[1] ? "" : "parted", onclick: () => goPair(n) },
      el("th", { scope: "row" }, el("button", { type: "button", "aria-label": `Go to step ${n + 1}` }, String(n + 1))),
      moments.map((moment, side) => el("td", {}, el("bdi", { class: moment && !isEnd(moment) && moment.error !== "" ? "failed" : "" }, words[side]),
        moment && !isEnd(moment) && moment.reward !== 0 ? el("span", { class: moment.reward > 0 ? "chip gain" : "chip loss" }, amount(moment.reward, true)) : null))));
  }
  return el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Step"), mine.numbers.map((number) => el("th", { scope: "col" }, `#${number}`)))), el("tbody", {}, rows));
}

function drawPair(mine) {
  const { episodes, pictures, at } = mine;
  for (const side of [0, 1]) {
    const { moments } = episodes[side];
    const n = Math.min(at, moments.length - 1);
    byId(`figure-${side}`).replaceChildren(picture(moments[n], n, pictures[side]), el("figcaption", {}, pictureNote(pictures[side], n)));
    byId(`did-${side}`).replaceChildren(...[action(moments[n], n), tokens(moments[n])].filter((part) => part !== null));
    byId(`earned-${side}`).replaceChildren(earned(moments[n]));
    byId(`timeline-${side}`).replaceChildren(timeline(episodes[side], n));
  }
  const rows = byId("steps").querySelectorAll("tbody tr");
  rows.forEach((row, n) => { if (n === at) row.setAttribute("aria-current", "step"); else row.removeAttribute("aria-current"); });
  const table = byId("steps");
  const top = rows[at].offsetTop;
  if (top < table.scrollTop + 30 || top + 28 > table.scrollTop + table.clientHeight) table.scrollTop = top - table.clientHeight / 2;
}

function goPair(n) {
  if (pair === null || pair.episodes === null) return;
  pair.at = Math.max(0, Math.min(n, last(pair)));
  drawPair(pair);
  pair.actions.at(pair.at);
}

export function compareKey(key) {
  if (pair === null || pair.episodes === null) return false;
  const { at } = pair;
  const moves = { j: at + 1, ArrowRight: at + 1, ArrowDown: at + 1, k: at - 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: Infinity };
  if (key in moves) goPair(moves[key]);
  else if (key === "d") goPair(parting(pair) ?? 0);
  else if (key === "m") {
    for (let n = at + 1; n <= last(pair); n += 1) {
      if (pair.episodes.some(({ moments }) => moments[n] && !isEnd(moments[n]) && moments[n].reward !== 0)) return goPair(n), true;
    }
  } else if (key === "e" && !isFile) byId("export").click();
  else return false;
  return true;
}
