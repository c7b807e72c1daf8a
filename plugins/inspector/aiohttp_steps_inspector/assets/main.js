// Puts the page together: tabs, live news, and what is asked for once.

import { ask, listen, save } from "./api.js";
import { count, rove } from "./dom.js";
import { Plugins } from "./plugins.js";
import { Runs } from "./runs.js";
import { Steps } from "./steps.js";
import { Views } from "./views.js";

const LIVE = { connecting: "Connecting", live: "Live", paused: "Paused", closed: "Ended: load the page again" };

const at = (id) => document.getElementById(id);
const panels = {
  runs: new Runs(at("panel-runs")),
  views: new Views(at("panel-views")),
  steps: new Steps(at("panel-steps")),
  plugins: new Plugins(at("panel-plugins")),
};
let connection = "connecting";

function showState() {
  const state = connection === "live" && panels.runs.isPaused ? "paused" : connection;
  if (at("live").dataset.state === state) return;
  at("live").dataset.state = state;
  at("live").textContent = LIVE[state];
}

async function loadState() {
  try {
    const state = await ask("state");
    panels.runs.most = state.most_runs;
    panels.runs.setViews(state.views.map((view) => view.name));
    panels.views.setViews(state.views);
    panels.plugins.set(state);
  } catch (error) {
    connection = "connecting";
    showState();
  }
}

function showTab(tab) {
  for (const one of document.querySelectorAll("[role=tab]")) {
    const isChosen = one === tab;
    one.setAttribute("aria-selected", String(isChosen));
    one.tabIndex = isChosen ? 0 : -1;
    at(one.getAttribute("aria-controls")).hidden = !isChosen;
  }
  const name = tab.id.replace("tab-", "");
  history.replaceState(null, "", `#${name}`);
  if (name === "steps") panels.steps.draw();
  if (name === "views" || name === "plugins") loadState();
}

for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => showTab(tab));
rove(document.querySelector("[role=tablist]"), "[role=tab]", { activate: true });

at("pause").addEventListener("click", () => {
  const isPaused = at("pause").getAttribute("aria-pressed") !== "true";
  at("pause").setAttribute("aria-pressed", String(isPaused));
  panels.runs.pause(isPaused);
  showState();
});
at("trace").addEventListener("click", () => save("trace"));

await loadState();
const asked = at(`tab-${location.hash.slice(1)}`);
if (asked?.getAttribute("role") === "tab") showTab(asked);
listen({
  onState: (state) => {
    connection = state;
    showState();
  },
  onNews: (news) => {
    at("total").textContent = count(news.total, "run");
    panels.runs.add(news.runs, news.life);
    panels.steps.set(news);
  },
});
