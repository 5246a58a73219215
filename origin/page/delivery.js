// Fetching, and knowing how it went: protocol, cache status and edge of everything the player asked for.
// It owns the list of deliveries; it does not know what the files mean.

/** A fetch that has not ended by then will not end in time for playback either. */
const FETCH_TIMEOUT_MS = 15000;

/** Segments are tried again this often; one lost connection shall not end playback. */
const MAX_ATTEMPTS = 3;

/** More than an hour of two-second segments; older ones are forgotten. */
const MAX_RECORDS = 4000;

/** Tells listeners by the event "change" whenever a record is added or completed. */
export class Deliveries extends EventTarget {
  constructor() {
    super();
    this.records = [];
    performance.setResourceTimingBufferSize(MAX_RECORDS);
    // The browser reports a resource a little after its last byte; the protocol is filled in then.
    this.observer = new PerformanceObserver((list) => this.observe(list.getEntries()));
    this.observer.observe({ type: "resource", buffered: true });
  }

  /** Fetches a whole file. Rejects with an Error whose message says in words what went wrong. */
  async fetch(url, kind, signal) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.attempt(url, kind, signal);
      } catch (failure) {
        if (signal?.aborted || failure.final || attempt >= MAX_ATTEMPTS) throw failure;
      }
    }
  }

  /** One try: the body as an ArrayBuffer with the record of its delivery. */
  async attempt(url, kind, signal) {
    const limit = AbortSignal.timeout(FETCH_TIMEOUT_MS);
    const started = performance.now();
    try {
      const response = await fetch(url, { signal: signal ? AbortSignal.any([signal, limit]) : limit });
      if (!response.ok) throw refusal(url, response.status);
      const body = await response.arrayBuffer();
      const record = this.add(url, kind, response, body.byteLength, performance.now() - started);
      return { body, record };
    } catch (failure) {
      if (limit.aborted) throw new Error(`${name(url)} did not arrive within ${FETCH_TIMEOUT_MS / 1000} seconds.`);
      if (failure.final || failure.name === "AbortError") throw failure;
      throw new Error(`${name(url)} could not be fetched: the connection failed or was refused.`);
    }
  }

  /** Asks for the fields of a file that a media element fetches itself, where scripts see none. */
  async probe(url, kind) {
    const started = performance.now();
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!response.ok) throw refusal(url, response.status);
    const bytes = Number(response.headers.get("content-length") ?? 0);
    return this.add(url, kind, response, bytes, performance.now() - started);
  }

  add(url, kind, response, bytes, ms) {
    const record = {
      url, kind, bytes, ms: Math.round(ms), protocol: "",
      cacheStatus: response.headers.get("cache-status") ?? "", edge: edgeOf(response.headers),
    };
    this.records.push(record);
    if (this.records.length > MAX_RECORDS) this.records.shift();
    this.observe(performance.getEntriesByName(url, "resource"));
    this.dispatchEvent(new Event("change"));
    return record;
  }

  observe(entries) {
    let changed = false;
    for (const { name: url, nextHopProtocol } of entries) {
      for (const record of this.records) {
        if (record.url === url && record.protocol === "" && nextHopProtocol !== "") {
          record.protocol = nextHopProtocol;
          changed = true;
        }
      }
    }
    if (changed) this.dispatchEvent(new Event("change"));
  }
}

/** The last part of a URL's path, for people. */
export function name(url) {
  return new URL(url).pathname.split("/").pop() || "/";
}

/** Asking again would bring the same answer, except after a failure of the server. */
function refusal(url, status) {
  const failure = new Error(`${name(url)} was refused by the server with status ${status}.`);
  failure.final = status < 500;
  return failure;
}

/** The edge's own field, else the member "edge" of Server-Timing; empty when nobody says. */
function edgeOf(headers) {
  const named = headers.get("x-tidegate-edge");
  if (named) return named;
  const member = /(?:^|,)\s*edge\s*;[^,]*?desc="?([^",;]*)/.exec(headers.get("server-timing") ?? "");
  return member ? member[1] : "";
}
