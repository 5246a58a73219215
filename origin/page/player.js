// The page: chooses a source, shows how it is delivered, and says in words what goes wrong.
// Options by query: ?source=hls|dash|mp4|mp3, autoplay=1 and ahead=SECONDS to keep buffered. State for tests:
// window.player.

import { Deliveries, name } from "./delivery.js";
import { readDash, readHls } from "./presentation.js";
import { BUFFER_AHEAD_SECONDS, Stream } from "./stream.js";

/** Relative to this page, so that it works behind any host name and port. */
const ADDRESSES = {
  hls: "vod/demo/master.m3u8", dash: "vod/demo/manifest.mpd", mp4: "vod/demo/demo.mp4", mp3: "vod/demo/demo.mp3",
};

/** Rows shown; the list behind them is longer. */
const MAX_ROWS = 200;

const MEDIA_ERRORS = {
  1: "Loading was stopped.",
  2: "The connection failed while the file was loading.",
  3: "The browser could not decode the file.",
  4: "The file could not be loaded, or the browser does not play its format.",
};

const view = (id) => document.getElementById(id);
const options = new URLSearchParams(location.search);
const deliveries = new Deliveries();

const state = { source: "", element: view("video"), stream: null, error: null };

/** Interruptions of running playback: how many, and milliseconds of those that are over. */
const stalls = { count: 0, ms: 0, since: null };

window.player = {
  get source() { return state.source; },
  get currentTime() { return state.element.currentTime; },
  get duration() { return state.element.duration; },
  get paused() { return state.element.paused; },
  get ended() { return state.element.ended; },
  get error() { return state.error; },
  get stalls() { return { count: stalls.count, ms: Math.round(stalls.ms) }; },
  /** Segments and whole media files only: { url, kind, protocol, cacheStatus, edge, bytes, ms }. */
  get segments() { return deliveries.records.filter(({ kind }) => ["video", "audio", "file", "probe"].includes(kind)); },
  /** Everything fetched, playlists included. */
  get deliveries() { return [...deliveries.records]; },
  play: () => play(),
  seek: (seconds) => { state.element.currentTime = seconds; },
};

async function choose(source) {
  state.stream?.stop();
  state.element.pause();
  state.element.removeAttribute("src");
  Object.assign(state, { source, stream: null, error: null, element: view(source === "mp3" ? "audio" : "video") });
  view("error").hidden = true;
  view("audio").hidden = source !== "mp3";
  view("video").hidden = source === "mp3";
  const url = new URL(ADDRESSES[source], document.baseURI).href;
  try {
    await (source === "hls" || source === "dash" ? startStream(source, url) : startFile(url));
    if (state.source === source && options.get("autoplay") === "1") await play();
  } catch (failure) {
    if (state.source === source && failure.name !== "AbortError") fail(failure);
  }
}

async function startStream(source, url) {
  say("Reading the playlist…");
  const presentation = await (source === "hls" ? readHls : readDash)(url, deliveries);
  if (state.source !== source) return;
  state.stream = new Stream(state.element, presentation, deliveries, ahead(), fail);
  await state.stream.start();
}

/** Little is enough to see what a player does when deliveries falter. */
function ahead() {
  const seconds = Number(options.get("ahead") ?? BUFFER_AHEAD_SECONDS);
  return seconds >= 1 && seconds <= 60 ? seconds : BUFFER_AHEAD_SECONDS;
}

/** The element fetches by itself; the probe shows how the file is delivered. */
async function startFile(url) {
  state.element.src = url;
  await deliveries.probe(url);
}

/** Browsers may refuse sound before the first click; then the picture starts without. */
async function play() {
  try {
    await state.element.play();
  } catch (failure) {
    if (failure.name !== "NotAllowedError") return;
    state.element.muted = true;
    await state.element.play().catch(() => say("Press play to start."));
  }
}

function fail(failure) {
  state.error = failure.message;
  view("error").textContent = failure.message;
  view("error").hidden = false;
  say("Stopped.");
}

function say(text) {
  if (view("status").textContent !== text) view("status").textContent = text;
}

function mediaFailed(event) {
  const { error } = event.target;
  if (event.target !== state.element || !error || state.error) return;
  fail(new Error(MEDIA_ERRORS[error.code] ?? "Playback failed."));
}

function showProgress() {
  const { element } = state;
  if (state.error) return;
  if (element.ended) say("The end.");
  else if (element.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) say("Loading…");
  else say(element.paused ? "Ready. Press play to start." : "Playing.");
}

/** What interrupts playback once it has begun; a seek does so by intent. */
function countStalls({ type, target }) {
  if (target !== state.element) return;
  if (type === "waiting" && target.currentTime > 0 && !target.seeking && stalls.since === null) {
    Object.assign(stalls, { count: stalls.count + 1, since: performance.now() });
  } else if (type === "playing" && stalls.since !== null) {
    Object.assign(stalls, { ms: stalls.ms + performance.now() - stalls.since, since: null });
  }
}

function showDeliveries() {
  const { records } = deliveries;
  const media = window.player.segments;
  if (records.length === 0) return;
  const hits = media.filter(isHit).length;
  const known = media.filter(({ cacheStatus }) => cacheStatus !== "").length;
  view("fact-edge").textContent = records.findLast(({ edge }) => edge)?.edge ?? "none (straight from the origin)";
  view("fact-protocol").textContent = records.findLast(({ protocol }) => protocol)?.protocol ?? "–";
  view("fact-hits").textContent = known === 0 ? "–" : `${hits} of ${known}`;
  view("fact-bytes").textContent = size(records.reduce((sum, { bytes }) => sum + bytes, 0));
  view("rows").replaceChildren(...records.slice(-MAX_ROWS).reverse().map(row));
}

function row(record) {
  const line = document.createElement("tr");
  const file = document.createElement("th");
  file.scope = "row";
  file.title = record.url;
  file.textContent = record.kind === "probe" ? `${name(record.url)} (HEAD)` : name(record.url);
  const cache = cell(record.cacheStatus || "–", "cache");
  if (record.cacheStatus) cache.classList.add(isHit(record) ? "hit" : "miss");
  line.append(
    file, cell(record.protocol || "–"), cache, cell(record.edge || "–"),
    cell(record.bytes.toLocaleString("en"), "number"), cell(`${record.ms} ms`, "number"),
  );
  return line;
}

function cell(text, className = "") {
  const element = document.createElement("td");
  element.className = className;
  element.textContent = text;
  return element;
}

/** RFC 9211: the member of the cache nearest to us comes last; its parameter "hit" tells. */
function isHit({ cacheStatus }) {
  return /;\s*hit(?:\s*;|\s*$)/.test(cacheStatus.split(",").pop());
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

for (const element of [view("video"), view("audio")]) {
  element.addEventListener("error", mediaFailed);
  for (const event of ["playing", "pause", "waiting", "canplay", "ended"]) element.addEventListener(event, showProgress);
  for (const event of ["playing", "waiting"]) element.addEventListener(event, countStalls);
}
deliveries.addEventListener("change", showDeliveries);
view("sources").addEventListener("change", ({ target }) => {
  const address = new URL(location.href);
  address.searchParams.set("source", target.value);
  history.replaceState(null, "", address);
  choose(target.value);
});

const first = Object.hasOwn(ADDRESSES, options.get("source")) ? options.get("source") : "hls";
document.querySelector(`input[value="${first}"]`).checked = true;
choose(first);
