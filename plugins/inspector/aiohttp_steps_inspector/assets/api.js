// What the page asks the application for. All addresses are relative to this file: the page may be mounted anywhere.

const root = new URL("../api/", import.meta.url);

/** Return the address of something below the page. */
export function address(path) {
  return new URL(path, root).href;
}

/** Ask for something; an answer that is no success is thrown as an `Error` in the server's words. */
export async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json", "Steps-Inspector": "1" },
    body: JSON.stringify(body),
  };
  let response;
  try {
    response = await fetch(address(path), options);
  } catch {
    throw new Error("the application does not answer; is it running?");
  }
  const document = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(document.detail ?? `the answer was ${response.status}`), document);
  return document;
}

/** Save a file that the application makes. */
export function save(path) {
  const link = document.createElement("a");
  link.href = address(path);
  link.download = "";
  link.click();
}

/** Listen to news for as long as the page is open; the browser connects again by itself. */
export function listen({ onNews, onState }) {
  const source = new EventSource(address("events"));
  source.addEventListener("open", () => onState("live"));
  source.addEventListener("message", (event) => onNews(JSON.parse(event.data)));
  source.addEventListener("error", () => {
    onState(source.readyState === EventSource.CLOSED ? "closed" : "connecting");
  });
  // A page in the browser's cache of pages must not hold a stream.
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}
