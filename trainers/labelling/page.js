// The labelling page. Whatever comes from episodes is set as text, never as HTML; the server's policy refuses the rest.

const PLAY_MS = 900;
const STATUS_MS = 1600;
const SIDES = ["left", "right"];
const SAID = { left: "Left is better", right: "Right is better", tie: "As good as each other", skip: "Skipped" };
const CHOICES = { ArrowLeft: "left", ArrowRight: "right", t: "tie", s: "skip" };

const byId = (id) => document.getElementById(id);
const reason = byId("reason");
const large = byId("large");

let pair = null; // what is shown, as the server sent it
let pictures = { left: null, right: null }; // which picture each frame has; null while they are being taken
let at = 0; // the frame shown, 0 being the start; a shorter episode stays at its end
let busy = false; // a choice is on its way
let playing = 0;
let statusTimer = 0;
let seenMs = 0; // how long the pair was looked at, without the time the page was hidden
let lookedSince = null;

class Refused extends Error {}

async function ask(path, body) {
  const sent = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const answer = await fetch(path, sent);
  if (!answer.ok) throw new Refused(await answer.text());
  return answer.json();
}

function say(text, bad = false) {
  const status = byId("status");
  status.textContent = text;
  status.className = bad ? "status on bad" : "status on";
  clearTimeout(statusTimer);
  if (!bad) statusTimer = setTimeout(() => status.classList.remove("on"), STATUS_MS);
}

function element(tag, text, name) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function show(state) {
  stopPlaying();
  if (large.open) large.close();
  pair = state.pair;
  at = 0;
  pictures = { left: null, right: null };
  reason.value = "";
  reason.blur();
  byId("annotator").textContent = state.annotator;
  byId("count").textContent = `${state.done} of ${state.total} done`;
  byId("bar").setAttribute("aria-valuemax", state.total);
  byId("bar").setAttribute("aria-valuenow", state.done);
  byId("filled").style.width = `${100 * state.done / Math.max(state.total, 1)}%`;
  byId("pair").hidden = pair === null;
  byId("finished").hidden = pair !== null;
  byId("task").textContent = pair === null ? "" : pair.task;
  document.querySelector(".goal").hidden = pair === null;
  for (const button of document.querySelectorAll("[data-choice]")) button.disabled = pair === null;
  byId("undo").disabled = state.done === 0;
  reason.disabled = pair === null;
  if (pair === null) return;
  byId("goal").textContent = pair.goal;
  for (const side of SIDES) listActions(side);
  draw();
  seenMs = 0;
  lookedSince = document.hidden ? null : performance.now();
  fetchPictures(pair.slot);
}

function listActions(side) {
  const { frames, cut } = pair[side];
  const section = byId(side);
  const steps = frames.length - 1 + cut;
  section.classList.remove("chosen");
  section.querySelector(".steps").textContent = steps === 1 ? "1 step" : `${steps} steps`;
  const items = frames.map((frame, n) => {
    const item = element("li", "");
    item.append(element("span", n === 0 ? "" : String(n), "n"));
    if (n === 0) item.append(element("span", "start", "aside"));
    else item.append(described(frame));
    if (frame.error) item.classList.add("failed");
    item.addEventListener("click", () => { stopPlaying(); go(n); });
    return item;
  });
  if (cut > 0) items.push(element("li", `and ${cut} more steps that are not shown`, "aside"));
  section.querySelector(".actions").replaceChildren(...items);
}

function described(frame) {
  const place = element("div", "");
  place.append(element("bdi", frame.action));
  if (frame.target) place.append(element("bdi", frame.target, "target"));
  return place;
}

function draw() {
  for (const side of SIDES) {
    const { frames } = pair[side];
    const n = Math.min(at, frames.length - 1);
    const section = byId(side);
    const list = section.querySelector(".actions");
    [...list.children].forEach((item, i) => {
      if (i === n) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
    });
    const current = list.children[n];
    const above = current.offsetTop - list.offsetTop;
    if (above < list.scrollTop || above + current.offsetHeight > list.scrollTop + list.clientHeight) {
      list.scrollTop = above - (list.clientHeight - current.offsetHeight) / 2;
    }
    const text = section.querySelector("pre");
    if (text.textContent !== frames[n].page) {
      text.textContent = frames[n].page;
      text.scrollTop = 0;
    }
    const error = section.querySelector(".error");
    error.textContent = frames[n].error;
    error.hidden = !frames[n].error;
    drawPicture(side, n);
  }
}

function drawPicture(side, n) {
  const box = byId(side).querySelector(".picture");
  const image = box.querySelector("img");
  const note = box.querySelector(".note");
  const known = pictures[side];
  const number = known === null ? null : known.numbers[n] ?? null;
  box.classList.toggle("none", known !== null && known.numbers.every((x) => x === null));
  box.disabled = number === null;
  if (number === null) {
    image.hidden = true;
    image.removeAttribute("src");
    note.textContent = known === null ? "Taking pictures of this episode…" : known.note || "There is no picture of this step.";
    return;
  }
  const source = `picture/${pair.slot}/${side}/${number}`;
  if (image.getAttribute("src") !== source) image.setAttribute("src", source);
  image.hidden = false;
  note.textContent = "";
}

async function fetchPictures(slot) {
  try {
    for (let ready = false; !ready && pair !== null && pair.slot === slot;) {
      const told = await ask(`pictures/${slot}`);
      if (pair === null || pair.slot !== slot) return;
      ready = told.ready;
      for (const side of SIDES) {
        if (told[side] === null || pictures[side] !== null) continue;
        pictures[side] = told[side];
        preload(slot, side, told[side].numbers);
      }
      draw();
    }
  } catch (error) {
    complain(error);
  }
}

function preload(slot, side, numbers) {
  for (const number of new Set(numbers)) {
    if (number !== null) new Image().src = `picture/${slot}/${side}/${number}`;
  }
}

function lastFrame() {
  return Math.max(...SIDES.map((side) => pair[side].frames.length - 1));
}

function go(frame) {
  if (pair === null) return;
  at = Math.max(0, Math.min(frame, lastFrame()));
  draw();
}

function stopPlaying() {
  clearInterval(playing);
  playing = 0;
}

function play() {
  if (playing) return stopPlaying();
  if (at >= lastFrame()) go(0);
  playing = setInterval(() => {
    go(at + 1);
    if (at >= lastFrame()) stopPlaying();
  }, PLAY_MS);
}

function complain(error) {
  if (error instanceof Refused) say(error.message, true);
  else say("The server does not answer. Is milepost label still running? What was chosen before is kept.", true);
}

async function send(path, body, said) {
  if (busy) return;
  busy = true;
  try {
    const state = await ask(path, body);
    show(state);
    say(said);
  } catch (error) {
    for (const side of SIDES) byId(side).classList.remove("chosen");
    complain(error);
    if (error instanceof Refused) await load();
  } finally {
    busy = false;
  }
}

function seconds() {
  return (seenMs + (lookedSince === null ? 0 : performance.now() - lookedSince)) / 1000;
}

function choose(choice) {
  if (pair === null || busy) return;
  if (SIDES.includes(choice)) byId(choice).classList.add("chosen");
  send("choice", { slot: pair.slot, choice, reason: reason.value.slice(0, 500), seconds: seconds() }, SAID[choice]);
}

function undo() {
  send("undo", {}, "Taken back");
}

async function load() {
  try {
    show(await ask("pair"));
  } catch (error) {
    complain(error);
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden && lookedSince !== null) {
    seenMs += performance.now() - lookedSince;
    lookedSince = null;
  } else if (!document.hidden && lookedSince === null) {
    lookedSince = performance.now();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (event.target === reason) {
    if (event.key === "Enter" || event.key === "Escape") {
      reason.blur();
      event.preventDefault();
    }
    return;
  }
  if (large.open) {
    if (event.key === " " || event.key === "Enter") large.close();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const keys = {
    ArrowUp: () => { stopPlaying(); go(at - 1); },
    ArrowDown: () => { stopPlaying(); go(at + 1); },
    Home: () => { stopPlaying(); go(0); },
    End: () => { stopPlaying(); go(pair === null ? 0 : lastFrame()); },
    " ": () => { if (pair !== null) play(); },
    r: () => reason.focus(),
    u: () => { if (!event.repeat) undo(); },
  };
  if (key in CHOICES) {
    if (!event.repeat) choose(CHOICES[key]); // a key held down must not answer the next pair too
  } else if (key in keys) {
    keys[key]();
  } else {
    return;
  }
  event.preventDefault();
});

for (const button of document.querySelectorAll("[data-choice]")) {
  button.addEventListener("click", () => { button.blur(); choose(button.dataset.choice); });
}
byId("undo").addEventListener("click", () => { byId("undo").blur(); undo(); });
for (const side of SIDES) {
  byId(side).querySelector(".picture").addEventListener("click", (event) => {
    const source = event.currentTarget.querySelector("img").getAttribute("src");
    if (!source) return;
    large.querySelector("img").src = source;
    large.showModal();
  });
}
large.addEventListener("click", () => large.close());
load();
