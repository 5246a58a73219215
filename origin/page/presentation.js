// From an HLS playlist or a DASH manifest to one description that the player plays:
//   { duration, video: [rendition], audio: [rendition] }
//   rendition = { id, bandwidth, type, load() → { initialisation: URL, segments: [{ url, start, duration }] } }
// Times are seconds, bandwidths bits a second. Complete presentations only: what is live, encrypted or cut into
// byte ranges is refused in words.

/** Far more than any film has; keeps a nonsensical manifest from filling the memory. */
const MAX_SEGMENTS = 100000;

/** Reads an HLS multivariant playlist (RFC 8216). Media playlists are fetched when they are first needed. */
export async function readHls(url, deliveries) {
  const lines = await readPlaylist(url, deliveries);
  const video = [];
  const audio = [];
  let pending = null;
  for (const line of lines) {
    if (line.startsWith("#EXT-X-STREAM-INF:")) {
      pending = attributes(line);
    } else if (line.startsWith("#EXT-X-MEDIA:")) {
      const media = attributes(line);
      if (media.TYPE === "AUDIO" && media.URI) audio.push({ group: media["GROUP-ID"], url: new URL(media.URI, url).href });
    } else if (pending && !line.startsWith("#")) {
      video.push({ ...pending, url: new URL(line, url).href });
      pending = null;
    }
  }
  if (video.length === 0) throw new Error("The playlist names no renditions.");
  const codecs = (video[0].CODECS ?? "").split(",").map((codec) => codec.trim());
  const audioCodec = codecs.find((codec) => codec.startsWith("mp4a"));
  const renditions = {
    video: video.map((variant) => hlsRendition(variant.url, Number(variant.BANDWIDTH), videoType(variant), deliveries)),
    audio: audio.filter((media) => media.group === video[0].AUDIO).slice(0, 1)
      .map((media) => hlsRendition(media.url, 0, `audio/mp4; codecs="${audioCodec}"`, deliveries)),
  };
  const { segments } = await renditions.video[0].load();
  const last = segments[segments.length - 1];
  return { duration: last.start + last.duration, ...renditions };
}

/** With a separate audio group the variant's own segments hold the picture alone. */
function videoType(variant) {
  const codecs = (variant.CODECS ?? "").split(",").map((codec) => codec.trim());
  const own = variant.AUDIO ? codecs.filter((codec) => !codec.startsWith("mp4a")) : codecs;
  return `video/mp4; codecs="${own.join(", ")}"`;
}

function hlsRendition(url, bandwidth, type, deliveries) {
  let loaded = null;
  return { id: url, bandwidth, type, load: () => (loaded ??= readMediaPlaylist(url, deliveries)) };
}

async function readMediaPlaylist(url, deliveries) {
  const lines = await readPlaylist(url, deliveries);
  const segments = [];
  let initialisation = null;
  let duration = 0;
  let start = 0;
  for (const line of lines) {
    if (line.startsWith("#EXT-X-MAP:")) {
      initialisation = new URL(attributes(line).URI, url).href;
    } else if (line.startsWith("#EXTINF:")) {
      duration = Number.parseFloat(line.slice("#EXTINF:".length));
    } else if (line.startsWith("#EXT-X-BYTERANGE:") || line.startsWith("#EXT-X-KEY:")) {
      throw new Error("This player reads neither encrypted segments nor byte ranges.");
    } else if (!line.startsWith("#")) {
      segments.push({ url: new URL(line, url).href, start, duration });
      start += duration;
    }
  }
  if (!lines.includes("#EXT-X-ENDLIST")) throw new Error("This player plays complete playlists, not live ones.");
  if (!initialisation || segments.length === 0) throw new Error("The media playlist names no segments.");
  return { initialisation, segments };
}

async function readPlaylist(url, deliveries) {
  const { body } = await deliveries.fetch(url, "playlist");
  const lines = new TextDecoder().decode(body).split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  if (lines[0] !== "#EXTM3U") throw new Error("This is not an HLS playlist: its first line is not #EXTM3U.");
  if (lines.length > MAX_SEGMENTS) throw new Error("The playlist is too long.");
  return lines;
}

/** NAME=value and NAME="value, with commas" after the first colon. */
function attributes(line) {
  const found = {};
  for (const [, name, quoted, plain] of line.slice(line.indexOf(":") + 1).matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^,]*))/g)) {
    found[name] = quoted ?? plain;
  }
  return found;
}

/** Reads a DASH manifest (ISO/IEC 23009-1) of one period with segment templates. */
export async function readDash(url, deliveries) {
  const { body } = await deliveries.fetch(url, "playlist");
  const manifest = new DOMParser().parseFromString(new TextDecoder().decode(body), "application/xml");
  const root = manifest.documentElement;
  if (root.localName !== "MPD") throw new Error("This is not a DASH manifest.");
  if (root.getAttribute("type") === "dynamic") throw new Error("This player plays complete manifests, not live ones.");
  const duration = seconds(root.getAttribute("mediaPresentationDuration"));
  const period = manifest.querySelector("Period");
  const presentation = { duration, video: [], audio: [] };
  for (const representation of period?.querySelectorAll("Representation") ?? []) {
    const kind = mimeType(representation).split("/")[0];
    if (kind !== "video" && kind !== "audio") continue;
    presentation[kind].push(dashRendition(representation, url, duration));
  }
  if (presentation.video.length + presentation.audio.length === 0) throw new Error("The manifest names no renditions.");
  return presentation;
}

function mimeType(representation) {
  return representation.getAttribute("mimeType") ?? representation.parentElement.getAttribute("mimeType") ?? "";
}

function dashRendition(representation, manifestUrl, duration) {
  const codecs = representation.getAttribute("codecs") ?? representation.parentElement.getAttribute("codecs");
  const id = representation.getAttribute("id");
  const bandwidth = Number(representation.getAttribute("bandwidth"));
  const load = async () => dashSegments(representation, manifestUrl, duration, { RepresentationID: id, Bandwidth: bandwidth });
  return { id, bandwidth, type: `${mimeType(representation)}; codecs="${codecs}"`, load };
}

function dashSegments(representation, manifestUrl, duration, names) {
  const template = representation.querySelector("SegmentTemplate")
    ?? representation.parentElement.querySelector(":scope > SegmentTemplate");
  if (!template) throw new Error("This player reads DASH manifests with segment templates only.");
  const timescale = Number(template.getAttribute("timescale") ?? 1);
  const offset = Number(template.getAttribute("presentationTimeOffset") ?? 0);
  const startNumber = Number(template.getAttribute("startNumber") ?? 1);
  const address = (attribute, more) => new URL(fill(template.getAttribute(attribute), { ...names, ...more }), manifestUrl).href;
  const segments = times(template, timescale, duration).map(({ time, length }, index) => ({
    url: address("media", { Number: startNumber + index, Time: time }),
    start: (time - offset) / timescale,
    duration: length / timescale,
  }));
  if (segments.length === 0) throw new Error("The manifest names no segments.");
  return { initialisation: address("initialization", {}), segments };
}

/** Start and length of every segment in units of the timescale, from a timeline or from one constant duration. */
function times(template, timescale, duration) {
  const constant = Number(template.getAttribute("duration") ?? 0);
  if (constant > 0) {
    const count = Math.min(Math.ceil((duration * timescale) / constant), MAX_SEGMENTS);
    return Array.from({ length: count }, (_, index) => ({ time: index * constant, length: constant }));
  }
  const found = [];
  let time = 0;
  for (const element of template.querySelectorAll("SegmentTimeline > S")) {
    time = Number(element.getAttribute("t") ?? time);
    const length = Number(element.getAttribute("d"));
    const repeats = Number(element.getAttribute("r") ?? 0);
    for (let index = 0; index <= repeats && found.length < MAX_SEGMENTS; index += 1, time += length) {
      found.push({ time, length });
    }
  }
  return found;
}

/** Puts values for $Name$ and $Name%05d$ into a template; $$ is a dollar sign. */
function fill(template, values) {
  return template.replace(/\$(?:([A-Za-z]+)(?:%0(\d+)d)?)?\$/g, (_, name, width) =>
    name === undefined ? "$" : String(values[name] ?? "").padStart(Number(width ?? 0), "0"));
}

/** Seconds of an ISO 8601 duration such as PT1M24.5S. */
function seconds(text) {
  const parts = /^PT(?:([\d.]+)H)?(?:([\d.]+)M)?(?:([\d.]+)S)?$/.exec(text ?? "");
  if (!parts) throw new Error("The manifest does not say how long it plays.");
  return Number(parts[1] ?? 0) * 3600 + Number(parts[2] ?? 0) * 60 + Number(parts[3] ?? 0);
}
