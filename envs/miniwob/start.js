// Put at the end of each page, after its own scripts: begins problems when the host says so, and reports how they end to
// the episode's server. What an agent writes cannot become a script here (see app.py), so nothing but the page's own code
// can call `core.endEpisode`; and a report counts only with the secret that came with its problem.
"use strict";
(() => {
  const NO_LIMIT_MS = 2 ** 31 - 1;
  const send = fetch;
  const toJson = JSON.stringify;
  const published = core.EPISODE_MAX_TIME;
  const end = core.endEpisode;
  let secret = null;

  core.endEpisode = (...given) => {
    const wasOver = WOB_DONE_GLOBAL;
    end(...given);
    if (wasOver || !WOB_DONE_GLOBAL || secret === null) return;
    const body = toJson({
      secret, raw: Number(WOB_RAW_REWARD_GLOBAL), timed: Number(WOB_REWARD_GLOBAL), reason: String(WOB_REWARD_REASON ?? ""),
    });
    secret = null;
    send("/outcome", { method: "POST", headers: { "content-type": "application/json" }, body });
  };

  // Forget what the last problem has left of the reader's: focus, address, scrolling. The rest is the page's own to clear.
  const tidy = () => {
    document.activeElement?.blur();
    history.replaceState(null, "", location.pathname + location.search);
    for (const el of document.querySelectorAll("body *")) {
      if (el.scrollTop || el.scrollLeft) el.scrollTop = el.scrollLeft = 0;
    }
  };

  const begin = ({ seed, secret: own }) => {
    secret = null;
    tidy();
    core.EPISODE_MAX_TIME = new URLSearchParams(location.search).get("time_limits") === "published" ? published : NO_LIMIT_MS;
    Math.seedrandom(seed);
    core.startEpisodeReal();
    secret = own;
    const told = core.getUtterance();
    // The goal is told beside the page; there it stands for people.
    document.getElementById("query").setAttribute("aria-hidden", "true");
    return { goal: typeof told === "string" ? told : told.utterance };
  };
  Object.defineProperty(window, "milepostMiniwob", { value: begin });
})();
