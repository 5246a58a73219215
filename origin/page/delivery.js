// Fetching, and knowing how it went: protocol, cache status and edge of everything the player asked for.
// It owns the list of deliveries; it does not know what the files mean.

/** A fetch that has not ended by then will not end in time for playback either. */
const FETCH_TIMEOUT_MS = 15000;

/** Segments are tried again this often; one lost connection shall not end playback. */
const MAX_ATTEMPTS = 3;

/** More than an hour of two-second segments; older ones are forgotten. */
const MAX_RECORDS = 4000;

/** The page shows how the edge delivers; what the browser kept from before would show nothing. */
const BROWSER_CACHE = "no-store";

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
      const combined = signal ? AbortSignal.any([signal, limit]) : limit;
      const response = await fetch(url, { cache: BROWSER_CACHE, signal: combined });
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

  /** Asks for the fields of a file that a media element fetches itself, where scripts see no fields. */
  async probe(url) {
    const started = performance.now();
    const limit = AbortSignal.timeout(FETCH_TIMEOUT_MS);
    const response = await fetch(url, { method: "HEAD", cache: BROWSER_CACHE, signal: limit }).catch(() => {
      throw new Error(`${name(url)} could not be fetched: the connection failed or was refused.`);
    });
    if (!response.ok) throw refusal(url, response.status);
    return this.add(url, "probe", response, 0, performance.now() - started);
  }

  add(url, kind, response, bytes, ms) {
    const cacheStatus = response.headers.get("cache-status") ?? "";
    const record = { url, kind, bytes, ms: Math.round(ms), protocol: "", cacheStatus, edge: edgeOf(response.headers) };
    this.keep(record);
    this.observe(performance.getEntriesByName(url, "resource").filter(({ initiatorType }) => initiatorType === "fetch"));
    this.dispatchEvent(new Event("change"));
    return record;
  }

  keep(record) {
    this.records.push(record);
    if (this.records.length > MAX_RECORDS) this.records.shift();
  }

  /** What the browser reports: protocols of our own fetches, and what media elements fetched without us. */
  observe(entries) {
    let changed = false;
    for (const entry of entries) {
      if (entry.initiatorType === "video" || entry.initiatorType === "audio") {
        // A stream's element reports its blob: address, which is no delivery.
        if (!entry.name.startsWith("http")) continue;
        this.keep(fetchedByElement(entry));
        changed = true;
        continue;
      }
      for (const record of this.records) {
        if (record.url === entry.name && record.protocol === "" && entry.nextHopProtocol !== "") {
          record.protocol = entry.nextHopProtocol;
          changed = true;
        }
      }
    }
    if (changed) this.dispatchEvent(new Event("change"));
  }
}

/** Of such a request scripts see no fields but Server-Timing. */
function fetchedByElement({ name: url, encodedBodySize, duration, nextHopProtocol, serverTiming }) {
  const edge = serverTiming.find((member) => member.name === "edge")?.description ?? "";
  return {
    url, kind: "file", bytes: encodedBodySize, ms: Math.round(duration), protocol: nextHopProtocol, cacheStatus: "", edge,
  };
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
