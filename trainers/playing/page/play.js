// The playing page. What comes from the episode is set as text, never as HTML; the server's policy refuses the rest.

const WIDTH = 1280; // of the agent's viewport, in which boxes are given
const HEIGHT = 720;

const byId = (id) => document.getElementById(id);

let now = null; // the episode, as the server sent it
let busy = false;
let pointed = null; // the element that waits for a text

async function ask(path, body) {
  const sent = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const answer = await fetch(path, sent);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

function made(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

function tell(text, bad = false) {
  byId("told").textContent = text;
  byId("told").className = bad ? "bad" : "";
}

async function act(path, body) {
  if (busy) return;
  busy = true;
  document.body.classList.add("busy");
  let done = false;
  try {
    show(await ask(path, body));
    done = true;
  } catch (error) {
    tell(error.message, true);
  }
  busy = false;
  document.body.classList.remove("busy");
  return done;
}

function show(state) {
  const before = new Set(now !== null && now.seed === state.seed ? now.marks.filter((m) => m.step !== null).map((m) => m.id) : []);
  now = state;
  leave();
  for (const key of ["task", "seed", "goal", "url"]) byId(key).textContent = state[key];
  byId("earned").textContent = `${state.earned.toFixed(2)} of ${state.most.toFixed(2)}`;
  byId("read").textContent = [state.page, state.files && `Files: ${state.files}`].filter(Boolean).join("\n\n");
  byId("image").hidden = state.picture === null;
  byId("nothing").hidden = state.picture !== null;
  if (state.picture !== null) byId("image").src = `picture/${state.picture}?seed=${state.seed}`;
  for (const old of document.querySelectorAll(".offer")) old.remove();
  for (const offer of state.offers) byId("picture").append(target(offer));
  tell(state.error || state.result, Boolean(state.error));
  byId("marks").replaceChildren(...state.marks.map((mark) => milestone(mark, !before.has(mark.id))));
  byId("steps").replaceChildren(...state.steps.map((step) => {
    const row = made("li", step.error ? "failed" : "", step.action);
    row.title = step.error;
    return row;
  }));
  byId("free").hidden = state.over !== null;
  byId("over").hidden = state.over === null;
  if (state.over !== null) ending(state);
}

function target(offer) {
  const button = made("button", "offer");
  const [x, y, width, height] = offer.box;
  const left = Math.max(0, x), top = Math.max(0, y);
  Object.assign(button.style, {
    left: `${100 * left / WIDTH}%`, top: `${100 * top / HEIGHT}%`,
    width: `${100 * (Math.min(WIDTH, x + width) - left) / WIDTH}%`,
    height: `${100 * (Math.min(HEIGHT, y + height) - top) / HEIGHT}%`,
  });
  button.type = "button";
  button.title = `${offer.verb} ${offer.role} ${offer.name}`;
  button.setAttribute("aria-label", button.title);
  button.dataset.ref = offer.ref;
  button.addEventListener("click", () => (offer.verb === "click" ? act("act", { ref: offer.ref }) : write(offer, button)));
  return button;
}

function write(offer, button) {
  leave();
  pointed = offer;
  button.classList.add("chosen");
  byId("write").hidden = false;
  byId("what").textContent = `${offer.verb === "fill" ? "Fill" : "Choose in"} ${offer.name || offer.role}`;
  byId("options").replaceChildren(...offer.options.map((option) => Object.assign(made("option"), { value: option })));
  byId("text").value = offer.verb === "fill" ? offer.value : "";
  byId("text").focus();
  byId("text").select();
}

function leave() {
  pointed = null;
  byId("write").hidden = true;
  for (const chosen of document.querySelectorAll(".offer.chosen")) chosen.classList.remove("chosen");
}

function milestone(mark, fresh) {
  const reached = mark.step !== null;
  const row = made("li", reached ? (mark.forbidden ? "fault" : "reached") : "");
  if (reached && fresh) row.classList.add("fresh");
  row.dataset.id = mark.id;
  const pays = mark.reward > 0 ? `+${mark.reward.toFixed(2)}` : mark.reward.toFixed(2);
  row.append(made("span", "dot"), made("span", "", mark.id), made("span", "muted", pays));
  row.append(made("span", "words", reached ? `${mark.evidence} (action ${mark.step})` : mark.words || (mark.forbidden ? "must not happen" : "")));
  return row;
}

function ending(state) {
  const { success, stop } = state.over;
  const kept = state.episodes === null ? "" : state.recorded
    ? ` Recorded; the run holds ${state.episodes} now.` : " Not recorded: the machine broke it.";
  byId("ending").textContent = `${success ? "Solved" : `Over (${stop.replaceAll("_", " ")})`}, ${state.earned.toFixed(2)} of ${state.most.toFixed(2)}.${kept}`;
  byId("over").className = success ? "over" : "over lost";
  byId("next").textContent = state.seed + 1;
}

byId("write").addEventListener("submit", (event) => {
  event.preventDefault();
  if (pointed !== null) act("act", { ref: pointed.ref, text: byId("text").value });
});
byId("leave").addEventListener("click", leave);
byId("free").addEventListener("submit", async (event) => {
  event.preventDefault();
  const action = byId("action").value.trim();
  if (action && await act("act", { action })) byId("action").value = "";
});
byId("again").addEventListener("click", () => act("begin", { seed: now.seed + 1 }));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") leave(); });

act("now");
