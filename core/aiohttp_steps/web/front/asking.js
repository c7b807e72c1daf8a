// Asks the server: the list of views, and one view. Knows no page.

/** Return the list of views. Throws a readable error. */
export async function askViews() {
  const response = await fetch("views", { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`The server answered /views with ${response.status}.`);
  return (await response.json()).views;
}

/**
 * Run a view and return its answer: `{kind: "report", report, steps}`, `{kind: "problem", problem}`,
 * `{kind: "text", status, text}` or `{kind: "unreachable"}`.
 *
 * @param {AbortSignal} signal ends the request; the server then stops the run. Rejects with `AbortError`.
 */
export async function askView(name, method, given, signal) {
  const query = new URLSearchParams(given.query).toString();
  const options = { method, signal, headers: { Accept: "application/json" }, cache: "no-store" };
  if (method === "POST") {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(given.body);
  }
  let response, text;
  try {
    response = await fetch(`views/${encodeURIComponent(name)}${query && `?${query}`}`, options);
    text = await response.text();
  } catch (error) {
    if (signal.aborted) throw error;
    return { kind: "unreachable" };
  }
  return readAnswer(response, text);
}

function readAnswer(response, text) {
  const type = (response.headers.get("Content-Type") || "").split(";")[0];
  try {
    if (type === "application/problem+json") return { kind: "problem", problem: JSON.parse(text) };
    const report = type === "application/json" ? JSON.parse(text) : null;
    if (report?.data && report.errors && report.timing) {
      return { kind: "report", report, steps: readServerTiming(response.headers.get("Server-Timing")) };
    }
  } catch {
    // Says that it is JSON and is not: shown as it is.
  }
  return { kind: "text", status: response.status, text };
}

/** Read the times of steps from `git_status;dur=19.2;desc="parallel", total;dur=20.0`. */
export function readServerTiming(header) {
  const steps = [];
  for (const entry of (header || "").matchAll(/([^\s;,]+)((?:;[a-z]+=(?:"[^"]*"|[^;,]*))*)/g)) {
    const ms = /;dur=([\d.]+)/.exec(entry[2]);
    const kind = /;desc="([^"]*)"/.exec(entry[2]);
    if (kind) steps.push({ name: decodeURIComponent(entry[1]), ms: ms ? Number(ms[1]) : null, kind: kind[1] });
  }
  return steps;
}
