// What one moment of an episode looks like: its picture with the action's target, the action with its tokens, what it
// earned and why. An episode's screen shows these large, a comparison shows two of them.

import { amount, el, said } from "./dom.js";

const TIERS = { rule: "rules", model: "model", judge: "judge" };

export function isEnd(moment) {
  return moment.action === undefined;
}

function place(mark, box) {
  ["left", "top", "width", "height"].forEach((side, n) => { mark.style[side] = `${100 * box[n]}%`; });
  return mark;
}

// The page at a moment; `pictures` is null while they are being taken.
export function picture(moment, n, pictures, { small = false } = {}) {
  const frame = el("span", { class: small ? "shot small" : "shot" });
  const address = pictures?.addresses[n] ?? null;
  if (address !== null) {
    const alt = small ? "" : `The page ${n === 0 ? "at the start" : `after step ${n}`}${moment.title ? `: ${moment.title}` : ""}`;
    frame.append(el("img", { src: address, alt, width: 1280, height: 720, decoding: small ? "async" : "sync" }));
  } else if (small) {
    frame.append(el("span", { class: "blank" }, moment.title || ""));
  } else {
    frame.append(el("span", { class: "blank" }, pictures === null ? "Playing the episode again for its pictures …" : pictures.note || "There is no picture of this page."));
  }
  const box = moment.target?.box ?? null;
  if (box !== null) frame.append(place(el("span", { class: "target" }), box));
  return frame;
}

// How far the pictures can be trusted, in words.
export function pictureNote(pictures, n) {
  if (pictures === null) return "";
  if (pictures.differs_at !== null) {
    return n < pictures.differs_at ? `Replayed; identical up to step ${pictures.differs_at}, where it differs` : `Replayed; differs from step ${pictures.differs_at} on: no picture`;
  }
  return (pictures.addresses[n] ?? null) === null ? "" : "Replayed; the page is identical to the recorded one";
}

export function tokens(moment) {
  if (isEnd(moment) || moment.tokens.length === 0) return null;
  return el("ol", { class: "tokens", "aria-label": "Sampled tokens with their probabilities" }, moment.tokens.map((token) => {
    const p = token.p === null ? null : token.p < 0.01 ? "<1\u202f%" : `${Math.round(100 * token.p)}\u202f%`;
    const level = token.p === null ? "" : token.p >= 0.9 ? "" : token.p >= 0.5 ? "low" : token.p >= 0.1 ? "lower" : "lowest";
    const text = token.text === "" ? `#${token.id}` : token.text.replace(/ /g, "\u00b7").replace(/\n/g, "\u23ce");
    return el("li", { class: level }, el("bdi", {}, text), p === null ? null : el("span", {}, p));
  }));
}

export function action(moment, n) {
  if (isEnd(moment)) return el("p", { class: "action end" }, "The end. Nobody answered this page.");
  const target = moment.target === null ? null
    : el("span", { class: "aim" }, "\u2192 ", said(moment.target.what), moment.target.box === null ? " (not in view)" : "");
  return el("div", { class: "did" },
    el("p", { class: "action" }, el("span", { class: "n" }, String(n + 1)), said(moment.action), target),
    moment.error === "" ? null : el("p", { class: "error" }, el("b", {}, "Impossible: "), said(moment.error)));
}

function tierTable(moment) {
  if (moment.tiers.length === 0) return null;
  const number = (value, digits) => (value === null ? "\u2013" : value.toFixed(digits));
  return el("table", { class: "tiers" },
    el("thead", {}, el("tr", {}, ["Layer", "Said", "Confidence", "ms", "Cost"].map((text) => el("th", { scope: "col" }, text)))),
    el("tbody", {}, moment.tiers.map((tier) => el("tr", {},
      el("th", { scope: "row" }, TIERS[tier.tier] ?? tier.tier), el("td", {}, tier.raw === null ? "abstained" : amount(tier.raw, true)),
      el("td", {}, number(tier.confidence, 2)), el("td", {}, number(tier.latency_ms || null, 0)), el("td", {}, number(tier.cost || null, 4))))));
}

function paid(result) {
  const detail = [["where", result.where], ["facts", result.facts]].filter(([, text]) => text !== "");
  return el("li", {},
    el("p", {}, el("b", { class: result.reward < 0 ? "loss" : "gain" }, amount(result.reward, true)), " ", said(result.id, "id")),
    el("p", { class: "summary" }, said(result.summary)),
    detail.length === 0 ? null : el("details", {}, el("summary", {}, "Evidence"), detail.map(([name, text]) =>
      el("p", { class: "fact" }, el("span", {}, name), el("code", {}, text)))));
}

// What an action earned: the number, then who spoke and on what evidence.
export function earned(moment) {
  if (isEnd(moment)) return el("p", { class: "quiet" }, "Nothing is earned here.");
  const more = [];
  if (moment.goal_paid !== 0) more.push(el("li", {}, el("p", {}, el("b", { class: "gain" }, amount(moment.goal_paid, true)), " success itself")));
  if (moment.shaping !== 0) more.push(el("li", {}, el("p", {}, el("b", {}, amount(moment.shaping, true)), " shaping")));
  const list = [...moment.paid.map(paid), ...more];
  return el("div", { class: "earned" },
    el("p", { class: "reward" }, el("span", { class: moment.reward > 0 ? "gain" : moment.reward < 0 ? "loss" : "" }, amount(moment.reward, true)),
      moment.entropy === null ? null : el("span", { class: "quiet" }, `entropy ${moment.entropy.toFixed(2)} nats`)),
    list.length === 0 ? el("p", { class: "quiet" }, "No milestone was reached by this action.") : el("ul", { class: "paid" }, list),
    tierTable(moment));
}

export function events(moment) {
  if (isEnd(moment) || moment.events === null) return el("p", { class: "quiet" }, "Not recorded.");
  if (moment.events.listed.length === 0) return el("p", { class: "quiet" }, "Nothing happened.");
  return el("ul", { class: "events", tabindex: "0", "aria-label": "Events" }, moment.events.listed.map(([kind, text]) => el("li", {}, el("span", { class: "kind" }, kind), said(text))),
    moment.events.cut > 0 ? el("li", { class: "quiet" }, `and ${moment.events.cut} more`) : null);
}

// A row for each milestone, a column for each step: when it was reached and what it paid.
export function timeline(episode, n) {
  if (episode.milestones.length === 0) return el("p", { class: "quiet" }, "The milestones are not known: there is no ledger, and the task is not registered here.");
  const last = Math.max(1, episode.moments.length - 1);
  const now = Math.min(n + 1, last); // once the action of this moment is done
  return el("ol", { class: "timeline" }, episode.milestones.map((milestone) => {
    const reached = episode.reached[milestone.id] ?? null;
    const track = el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: "now" }));
    track.firstChild.style.left = `${100 * now / last}%`;
    if (reached !== null) {
      const dot = el("span", { class: milestone.forbidden ? "dot-at fault" : reached.step <= now ? "dot-at" : "dot-at ahead" });
      dot.style.left = `${100 * Math.min(1, reached.step / last)}%`;
      track.append(dot);
    }
    const open = episode.unjudged.includes(milestone.id);
    const when = reached !== null ? `step ${reached.step}` : open ? "unjudged" : "missed";
    const pays = reached?.reward ?? (reached !== null && milestone.source === "rule" ? null : milestone.reward);
    return el("li", { class: reached === null ? "missed" : "" },
      el("span", { class: "name", title: milestone.description }, said(milestone.id),
        milestone.success ? el("span", { class: "tag" }, "success") : null,
        milestone.forbidden ? el("span", { class: "tag bad" }, "forbidden") : null,
        milestone.source === "rule" ? null : el("span", { class: "tag" }, milestone.source)),
      track, el("span", { class: "when" }, when),
      el("span", { class: "pays" }, reached === null ? `(${amount(milestone.reward, true)})` : pays === null ? "\u2013" : amount(pays, true)));
  }));
}

export function headline(episode, outcomeText) {
  const parts = [`seed ${episode.seed}`];
  if (episode.iteration !== null) parts.push(`iteration ${episode.iteration}`);
  if (episode.sample !== null) parts.push(`sample ${episode.sample}`);
  return el("p", { class: "headline" },
    el("b", {}, said(episode.task)), el("span", { class: `dot ${episode.outcome}` }, outcomeText ?? episode.outcome),
    el("span", { class: "total" }, amount(episode.total), episode.most === null ? "" : ` of ${amount(episode.most)}`),
    parts.map((text) => el("span", { class: "quiet" }, text)),
    el("span", { class: "quiet" }, "ended by ", said(episode.stop)),
    episode.failure === "" ? null : el("span", { class: "loss" }, said(episode.failure)));
}
