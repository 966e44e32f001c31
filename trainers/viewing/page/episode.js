// One episode: a film strip of its pages, and the moment that is looked at.

import { amount, byId, el, plural, said, toast } from "./dom.js";
import { siblings, outcomeOf } from "./list.js";
import { action, earned, events, headline, isEnd, picture, pictureNote, timeline, tokens } from "./moment.js";
import { exportAddress, isFile, readEpisode, readPictures, readRescored } from "./source.js";

let now = null; // {number, episode, pictures, at, actions}; null while another screen is there

export function hideEpisode() {
  now = null;
}

export async function showEpisode(main, number, at, actions) {
  const mine = { number, episode: null, pictures: null, at: 0, actions };
  now = mine;
  const episode = await readEpisode(number);
  if (now !== mine) return;
  mine.episode = episode;
  mine.at = Math.max(0, Math.min(at, episode.moments.length - 1));
  main.replaceChildren(screen(mine));
  drawStrip(mine);
  draw(mine);
  byId("main").focus({ preventScroll: true });
  const waitsFor = () => now === mine;
  readPictures(number, waitsFor).then((told) => {
    if (told === null || !waitsFor()) return;
    mine.pictures = told;
    drawStrip(mine);
    draw(mine);
  }).catch((error) => {
    if (waitsFor()) toast(String(error.message || error), true);
  });
  readRescored(number).then((told) => { if (waitsFor()) drawVerdict(told); }).catch(() => {});
}

function screen({ number, episode, actions }) {
  const others = siblings(number);
  const compare = el("select", { id: "compare", "aria-label": "Compare with an episode of the same task and seed", onchange: () => actions.pair(number, Number(compare.value)) },
    el("option", { value: "" }, others.length === 0 ? "No sibling to compare" : `Compare with one of ${plural(others.length, "sibling")}`),
    others.map((row) => el("option", { value: row.number }, `#${row.number}, ${outcomeOf(row)}, ${amount(row.total)}`)));
  compare.disabled = others.length === 0;
  return el("section", { class: "episode", "aria-label": `Episode ${number}` },
    el("div", { class: "heading" }, el("h1", {}, `#${number}`), headline(episode),
      el("span", { class: "tools" }, compare, isFile ? null : el("a", { class: "button", id: "export", href: exportAddress([number]), download: true }, el("kbd", {}, "e"), " Save as a file"))),
    el("p", { class: "goal" }, el("span", { class: "tag" }, "Goal"), said(episode.goal)),
    el("ol", { class: "strip", id: "strip", "aria-label": "Steps" }),
    el("div", { class: "columns" },
      el("div", { class: "left" }, el("figure", { id: "figure" }), el("div", { id: "did" })),
      el("div", { class: "right" },
        section("What this action earned", el("div", { id: "earned" })),
        section("Milestones", el("div", { id: "timeline" }), el("p", { class: "ledger", id: "ledger" })),
        section("What the model saw", el("p", { class: "url", id: "url" }), el("pre", { id: "seen", tabindex: "0", role: "region", "aria-label": "Observation" }),
          el("details", { id: "prompt" }, el("summary", {}, "The prompt around it"))),
        section("What happened in this step", el("div", { id: "events" })))));
}

function section(title, ...children) {
  return el("section", {}, el("h2", {}, title), children);
}

function drawStrip(mine) {
  const { episode, pictures } = mine;
  byId("strip").replaceChildren(...episode.moments.map((moment, n) => {
    const label = isEnd(moment) ? "end" : moment.action;
    const reward = isEnd(moment) || moment.reward === 0 ? null : el("span", { class: moment.reward > 0 ? "chip gain" : "chip loss" }, moment.reward === null ? "?" : amount(moment.reward, true));
    const failed = !isEnd(moment) && moment.error !== "";
    return el("li", {}, el("button", {
      type: "button", class: failed ? "failed" : "", onclick: () => goTo(n), "aria-label": isEnd(moment) ? "The end" : `Step ${n + 1}: ${moment.action}${failed ? ", impossible" : ""}`,
    }, picture(moment, n, pictures, { small: true }), el("span", { class: "under" }, el("b", {}, isEnd(moment) ? "" : String(n + 1)), el("bdi", {}, label), reward)));
  }), episode.cut > 0 ? el("li", { class: "quiet" }, `and ${episode.cut} more steps that are not shown`) : "");
}

function draw(mine) {
  const { episode, pictures, at } = mine;
  const moment = episode.moments[at];
  const buttons = byId("strip").querySelectorAll("button");
  buttons.forEach((button, n) => { if (n === at) button.setAttribute("aria-current", "step"); else button.removeAttribute("aria-current"); });
  reveal(byId("strip"), buttons[at]);
  byId("figure").replaceChildren(picture(moment, at, pictures), el("figcaption", {}, pictureNote(pictures, at)));
  byId("did").replaceChildren(...[action(moment, at), tokens(moment)].filter((part) => part !== null));
  byId("earned").replaceChildren(earned(moment));
  byId("timeline").replaceChildren(timeline(episode, at));
  byId("url").textContent = moment.url;
  byId("seen").textContent = moment.page;
  byId("events").replaceChildren(events(moment));
  drawPrompt(episode, moment);
}

function drawPrompt(episode, moment) {
  const details = byId("prompt");
  const parts = [];
  if (moment.prompt) parts.push(el("p", { class: "quiet" }, "As the model saw it, template included:"), el("pre", { tabindex: "0", role: "region", "aria-label": "Prompt" }, moment.prompt));
  else if (episode.prompt.length === 0) parts.push(el("p", { class: "quiet" }, "Not known: the task is not registered here."));
  else {
    parts.push(el("p", { class: "quiet" }, "Put together again from the task; the prompts\u2019 tokens were not kept. The goal and the observation follow."));
    for (const turn of episode.prompt) parts.push(el("p", { class: "role" }, turn.role), el("pre", { class: "whole" }, turn.content));
  }
  details.replaceChildren(details.firstElementChild, ...parts);
}

function drawVerdict(told) {
  const place = byId("ledger");
  if (place === null || now === null || now.episode === null) return;
  const { state, note } = now.episode.ledger;
  const good = state === "whole" && told.verdict === "ok";
  place.className = good ? "ledger good" : "ledger bad";
  place.textContent = good ? `Ledger whole; scored again it pays the same ${amount(told.total)}.`
    : `Ledger ${state}${told.verdict && told.verdict !== "ok" ? `, scored again: ${told.verdict}` : ""}. ${note || told.note}`;
}

function reveal(strip, button) {
  const [left, width] = [button.parentElement.offsetLeft - strip.offsetLeft, button.offsetWidth];
  if (left < strip.scrollLeft + width || left + 2 * width > strip.scrollLeft + strip.clientWidth) {
    strip.scrollLeft = left - (strip.clientWidth - width) / 2;
  }
}

function goTo(n) {
  if (now === null || now.episode === null) return;
  const place = Math.max(0, Math.min(n, now.episode.moments.length - 1));
  if (place === now.at) return;
  now.at = place;
  draw(now);
  now.actions.at(place);
}

export function episodeKey(key) {
  if (now === null || now.episode === null) return false;
  const { episode, at, actions, number } = now;
  const moves = { j: at + 1, ArrowRight: at + 1, ArrowDown: at + 1, k: at - 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: Infinity };
  if (key in moves) goTo(moves[key]);
  else if (key === "m") {
    const next = episode.moments.findIndex((moment, n) => n > at && !isEnd(moment) && moment.reward !== 0);
    goTo(next === -1 ? episode.moments.findIndex((moment) => !isEnd(moment) && moment.reward !== 0) : next);
  } else if (key === "]" || key === "[") actions.beside(number, key === "]" ? 1 : -1);
  else if (key === "c") actions.compare(number);
  else if (key === "e" && !isFile) byId("export").click();
  else return false;
  return true;
}
