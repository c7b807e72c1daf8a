// The page: tabs for the views, and one request at a time. Switching a view aborts the request before it.

import { drawAnswer, describe, formatMs } from "./answers.js";
import { askView, askViews } from "./asking.js";
import { make, mark } from "./elements.js";
import { drawForm, isLinkable, methodFor, readValues, runsByItself, showFaults } from "./forms.js";

const REMEMBER_AFTER_MS = 120; // views that are only passed by, as with a held arrow key, make no history

const at = (id) => document.getElementById(id);
const views = new Map();
const values = new Map(); // of inputs, by view: what was typed is still there on coming back
let view = null; // the one shown
let current = null; // the request under way; what any other brings is not drawn
let remembering = 0;

/** Show a view, from now on and at once; runs it if it only reads. */
function switchTo(name) {
  const startedAt = performance.now();
  abort();
  view = views.get(name);
  document.title = `${view.name} · Views`;
  for (const tab of at("tabs").children) {
    const isChosen = tab.dataset.view === name;
    tab.setAttribute("aria-selected", isChosen);
    tab.tabIndex = isChosen ? 0 : -1;
    if (isChosen) {
      at("panel").setAttribute("aria-labelledby", tab.id);
      tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }
  at("name").textContent = name;
  at("panel").hidden = false;
  at("answer").replaceChildren();
  at("again").hidden = true;
  say("");
  if (view.fault) {
    at("inputs").replaceChildren(make("div", { class: "alert" }, make("h3", {}, "This view has no plan"), make("p", { class: "message" }, view.fault)));
    return;
  }
  at("inputs").replaceChildren(drawForm(view, values.get(name), () => run(performance.now(), { link: true })));
  if (runsByItself(view, values.get(name))) run(startedAt);
  else if (view.methods.includes("GET")) say("waits for its inputs");
  else say("not run");
}

/** Run the view that is shown, in place of what runs. */
async function run(startedAt, { link = false } = {}) {
  abort();
  const asked = view;
  const typed = values.get(asked.name);
  const method = methodFor(asked, typed);
  const given = readValues(asked, method, typed);
  const form = at("inputs").querySelector("form");
  showFaults(form, given.faults);
  if (Object.keys(given.faults).length) return say("not run: an input is wrong");
  if (link) remember();
  const mine = { view: asked, controller: new AbortController() };
  current = mine;
  setBusy(true);
  say("running");
  let answer;
  try {
    answer = await askView(asked.name, method, given, mine.controller.signal);
  } catch (error) {
    if (current === mine) throw error;
    return;
  }
  // Aborted or not: an answer that is late is no answer.
  if (current !== mine) return;
  current = null;
  setBusy(false);
  at("answer").replaceChildren(...drawAnswer(answer, () => run(performance.now())));
  if (answer.kind === "problem" && answer.problem.input) showFaults(form, { [answer.problem.input]: answer.problem.detail });
  measure(asked, answer, startedAt);
}

/** Take the time from the switch to what is on the screen: the browser's own measure, and for people. */
function measure(asked, answer, startedAt) {
  const drawnFor = view;
  say(describe(answer));
  requestAnimationFrame(() => {
    const after = new MessageChannel(); // its message comes after the frame
    after.port1.onmessage = () => {
      const { duration } = performance.measure("switch", { start: startedAt, detail: { view: asked.name } });
      if (view === drawnFor && current === null) say(`${describe(answer)}, on the screen after ${formatMs(duration)}`);
    };
    after.port2.postMessage(null);
  });
}

function abort() {
  if (current === null) return;
  const { controller } = current;
  current = null;
  controller.abort();
  setBusy(false);
}

function stop() {
  const writes = methodFor(view, values.get(view.name)) === "POST";
  abort();
  say(writes ? "stopped; what it had begun may be done" : "stopped");
}

function setBusy(isBusy) {
  const hadFocus = [at("stop"), at("again")].includes(document.activeElement);
  at("panel").setAttribute("aria-busy", isBusy);
  at("stop").hidden = !isBusy;
  // A form that is open has a button of its own.
  at("again").hidden = isBusy || !runsByItself(view, values.get(view.name)) || Boolean(at("inputs").querySelector("form > .run"));
  // A focus on what is hidden would be lost.
  if (hadFocus) [at("stop"), at("again"), at("panel")].find((one) => !one.hidden).focus();
}

function say(text) {
  at("state").textContent = text;
}

/** Return what stands in the address for the view that is shown: `#project?limit=10`. */
function hashOf(shown) {
  const typed = values.get(shown.name);
  const linked = Object.entries(typed).filter(([name, text]) => text && isLinkable(shown, name));
  const query = new URLSearchParams(linked).toString();
  return `#${encodeURIComponent(shown.name)}${query && `?${query}`}`;
}

/** Put the view in the address, once it is clear that it is meant. */
function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => {
    if (location.hash !== hashOf(view)) history.pushState(null, "", hashOf(view));
  }, REMEMBER_AFTER_MS);
}

/** Show the view that the address names; without one, the first that only reads. */
function followAddress() {
  clearTimeout(remembering);
  const [name, query = ""] = location.hash.slice(1).split("?");
  let named;
  try {
    named = views.get(decodeURIComponent(name));
  } catch {
    named = undefined; // no encoding of anything
  }
  if (name && !named) at("fault").textContent = "There is no such view; shown is another.";
  else at("fault").textContent = "";
  const all = [...views.values()];
  const shown = named ?? all.find((one) => one.methods?.includes("GET")) ?? all[0];
  if (named?.inputs) {
    const typed = values.get(named.name);
    for (const input of named.inputs) if (isLinkable(named, input.name)) delete typed[input.name];
    for (const [key, text] of new URLSearchParams(query)) if (isLinkable(named, key)) typed[key] = text;
  }
  switchTo(shown.name);
}

function choose(tab) {
  at("fault").textContent = "";
  switchTo(tab.dataset.view);
  remember();
}

function followKey(event) {
  const tabs = [...at("tabs").children];
  const here = tabs.findIndex((tab) => tab.dataset.view === view.name);
  const next = {
    ArrowLeft: (here + tabs.length - 1) % tabs.length,
    ArrowRight: (here + 1) % tabs.length,
    Home: 0,
    End: tabs.length - 1,
  }[event.key];
  if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  tabs[next].focus();
  choose(tabs[next]);
}

function drawTab(one, number) {
  const tag = one.fault ? "fault" : one.methods.includes("GET") ? null : "writes";
  return make("button", {
    type: "button",
    role: "tab",
    id: `tab-${number}`,
    "aria-controls": "panel",
    "data-view": one.name,
    onclick: (event) => choose(event.currentTarget),
  }, one.name, ...(tag ? [" ", mark("tag", tag)] : []));
}

async function start() {
  let listed;
  try {
    listed = await askViews();
  } catch (error) {
    at("fault").replaceChildren(make("div", { class: "alert" }, make("h2", {}, "The views cannot be listed"), make("p", {}, error.message)));
    return;
  }
  for (const one of listed) {
    views.set(one.name, one);
    values.set(one.name, {});
  }
  if (views.size === 0) {
    at("fault").replaceChildren(make("p", { class: "note" }, "There are no views: install step plugins, say aiohttp-steps-git, and start the server again."));
    return;
  }
  at("tabs").append(...listed.map(drawTab));
  at("tabs").addEventListener("keydown", followKey);
  at("stop").addEventListener("click", stop);
  at("again").addEventListener("click", () => run(performance.now()));
  addEventListener("popstate", followAddress); // also when the address is edited
  followAddress();
}

start();
