// Plays the demonstration page in headless Chromium and prints what happened as one line of JSON.
//
//   node play.mjs --url URL --source hls|dash|mp4|mp3 --until SECONDS [--seek SECONDS]
//                 [--map HOST=ADDRESS]... [--spki BASE64]... [--quic-origin HOST:PORT]... [--timeout SECONDS]
//                 [--ahead SECONDS] [--progress] [--screenshot FILE] [--chromium FILE]
//
// --ahead keeps so much buffered; with --progress each second played is a line on standard error: `position 3`.
// Prints {"currentTime":5.1,"segments":[{url,kind,protocol,cacheStatus,edge,bytes,ms}],"protocols":["h3"],
// "edges":["eu-1"],"stalls":{"count":0,"ms":0},
// "error":null}. Exits with 0 when playback passed --until seconds, with 1 when it did not (error
// says why in words), with 2 when the arguments are wrong. The browser and its profile are gone in every case.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import puppeteer from "puppeteer-core";

/** Chromium takes some seconds to start on a busy machine; one minute covers that and ten seconds of playback. */
const DEFAULT_TIMEOUT_SECONDS = 60;

/** A browser that does not close by then is killed. */
const CLOSE_TIMEOUT_MS = 5000;

/** Often enough to seek and stop without playing much further than asked for. */
const POLL_MS = 100;

const SOURCES = ["hls", "dash", "mp4", "mp3"];

/** Nothing but the page under test shall be asked for anything. */
const QUIET_FLAGS = [
  "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
  "--disable-domain-reliability", "--disable-sync", "--metrics-recording-only", "--no-default-browser-check",
  "--no-first-run", "--no-pings", "--mute-audio", "--disable-dev-shm-usage", "--disable-gpu",
  "--autoplay-policy=no-user-gesture-required",
];

let browser = null;
let profile = null;

const options = readOptions();
const deadline = Date.now() + options.timeout * 1000;
// The last word, should anything below hang: puppeteer itself included.
const watchdog = setTimeout(() => end({ error: "The browser did not answer in time." }), options.timeout * 1000 + 2 * CLOSE_TIMEOUT_MS);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => end({ error: `Stopped by ${signal}.` }));
}
try {
  await end(await play());
} catch (failure) {
  await end({ error: failure.message });
}

function readOptions() {
  const text = { type: "string" };
  const list = { type: "string", multiple: true, default: [] };
  try {
    const { values } = parseArgs({
      options: {
        url: text, source: text, until: text, seek: text, timeout: text, screenshot: text, chromium: text, ahead: text,
        progress: { type: "boolean", default: false },
        map: list, spki: list, "quic-origin": list,
      },
    });
    if (!SOURCES.includes(values.source)) throw new Error(`--source: expected one of ${SOURCES.join(", ")}`);
    const url = new URL(values.url ?? "");
    const timeout = seconds(values, "timeout") ?? DEFAULT_TIMEOUT_SECONDS;
    const until = seconds(values, "until");
    if (until === undefined) throw new Error("--until is missing");
    return { ...values, url, timeout, until, seek: seconds(values, "seek"), ahead: seconds(values, "ahead") };
  } catch (failure) {
    console.error(`play.mjs: ${failure.message}`);
    process.exit(2);
  }
}

function seconds(values, name) {
  if (values[name] === undefined) return undefined;
  const number = Number(values[name]);
  if (!(number >= 0 && number <= 3600)) throw new Error(`--${name}: expected seconds from 0 to 3600`);
  return number;
}

async function play() {
  profile = mkdtempSync(join(tmpdir(), "tidegate-browser-"));
  browser = await puppeteer.launch({
    executablePath: options.chromium ?? "/usr/bin/chromium",
    headless: true,
    userDataDir: profile,
    args: flags(),
    // Unlike a socket, the pipe closes with this process: should it be killed outright, the browser ends by itself.
    pipe: true,
    timeout: remaining(),
  });
  const page = await browser.newPage();
  await page.setViewport({ width: 1200, height: 900 });
  const scriptErrors = [];
  page.on("pageerror", (failure) => scriptErrors.push(failure.message));
  const address = new URL(options.url);
  address.searchParams.set("source", options.source);
  address.searchParams.set("autoplay", "1");
  if (options.ahead !== undefined) address.searchParams.set("ahead", options.ahead);
  await page.goto(address.href, { waitUntil: "domcontentloaded", timeout: remaining() });
  if (options.seek !== undefined) {
    // Only once something has been played: the seek then interrupts running playback.
    await reach(page, Math.min(options.seek, 0.5), scriptErrors);
    await page.evaluate((position) => window.player.seek(position), options.seek);
  }
  const outcome = await reach(page, options.until, scriptErrors);
  if (options.screenshot) await page.screenshot({ path: options.screenshot });
  return outcome;
}

function flags() {
  const maps = options.map.map((map) => {
    const [host, address] = map.split("=");
    return `MAP ${host} ${address}`;
  });
  const found = [...QUIET_FLAGS, `--host-resolver-rules=${[...maps, "MAP * ~NOTFOUND", ...unmapped()].join(", ")}`];
  if (options["quic-origin"].length > 0) found.push(`--origin-to-force-quic-on=${options["quic-origin"].join(",")}`);
  if (options.spki.length > 0) found.push(`--ignore-certificate-errors-spki-list=${options.spki.join(",")}`);
  return found;
}

/** Every other name is unknown to the browser, so that it cannot reach out of the test. */
function unmapped() {
  const { hostname } = options.url;
  const mapped = options.map.some((map) => map.startsWith(`${hostname}=`));
  const addresses = options.map.map((map) => map.split("=")[1]);
  return [...addresses, ...(mapped ? [] : [hostname])].map((host) => `EXCLUDE ${host}`);
}

/** Waits until playback has passed this position. */
async function reach(page, position, scriptErrors) {
  let state = { currentTime: 0, segments: [], error: "The player did not start." };
  let told = 0;
  while (Date.now() < deadline) {
    state = await page.evaluate(() => {
      const { player } = window;
      if (!player) return null;
      const { currentTime, segments, stalls, error } = player;
      return { currentTime, segments, stalls, error };
    }) ?? state;
    if (scriptErrors.length > 0) return { ...state, error: `The page's script failed: ${scriptErrors[0]}` };
    for (; options.progress && told < Math.floor(state.currentTime); told += 1) console.error(`position ${told + 1}`);
    if (state.currentTime >= position) return state;
    if (state.error !== null && state.error !== "The player did not start.") return state;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const error = `Playback reached ${state.currentTime.toFixed(1)} of ${position} seconds within ${options.timeout} seconds.`;
  return { ...state, error: state.error ?? error };
}

function remaining() {
  return Math.max(deadline - Date.now(), 1);
}

/** Prints the outcome, removes the browser with all its processes and its profile, and exits. */
async function end({ currentTime = 0, segments = [], stalls = { count: 0, ms: 0 }, error = null }) {
  clearTimeout(watchdog);
  await close();
  const distinct = (values) => [...new Set(values.filter((value) => value !== ""))].sort();
  const protocols = distinct(segments.map(({ protocol }) => protocol));
  const edges = distinct(segments.map(({ edge }) => edge));
  const line = JSON.stringify({ currentTime, segments, protocols, edges, stalls, error });
  process.stdout.write(`${line}\n`, () => process.exit(error === null ? 0 : 1));
}

async function close() {
  const group = browser?.process()?.pid;
  if (browser) {
    const limit = new Promise((resolve) => setTimeout(resolve, CLOSE_TIMEOUT_MS).unref());
    await Promise.race([browser.close().catch(() => {}), limit]);
  }
  // puppeteer starts the browser as the leader of a process group of its own.
  try {
    if (group) process.kill(-group, "SIGKILL");
  } catch (failure) {
    if (failure.code !== "ESRCH") console.error(`play.mjs: the browser could not be killed: ${failure.message}`);
  }
  if (profile) rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
