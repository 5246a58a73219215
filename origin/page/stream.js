// Feeds a media element through Media Source Extensions: keeps some seconds ahead of the playhead buffered, follows
// seeks, and picks the rendition that the measured bandwidth allows. It knows nothing of HLS and DASH.

/** Enough to bridge a short stall, little enough that a change of rendition is seen soon. */
export const BUFFER_AHEAD_SECONDS = 10;

/** What was played longer ago is removed: browsers give a source buffer some tens of megabytes at most. */
const KEEP_BEHIND_SECONDS = 30;

/** A rendition needs half as much bandwidth again as it announces, since segments vary in size. */
const SAFETY = 1.5;

/** Weight of the newest measurement of bandwidth. */
const NEWEST_WEIGHT = 0.4;

/** Segments listed by playlists may begin this much later than the moment looked for. */
const TOLERANCE_SECONDS = 0.1;

export class Stream {
  /** `ahead`: seconds kept buffered. `failed` is called once with an Error, whatever goes wrong later. */
  constructor(element, presentation, deliveries, ahead, failed) {
    this.element = element;
    this.presentation = presentation;
    this.deliveries = deliveries;
    this.ahead = ahead;
    this.failed = failed;
    this.stopped = new AbortController();
    this.bandwidth = 0;
    this.tracks = [];
  }

  async start() {
    if (!window.MediaSource) throw new Error("This browser has no Media Source Extensions; choose MP4 or MP3.");
    this.source = new MediaSource();
    this.objectUrl = URL.createObjectURL(this.source);
    this.element.src = this.objectUrl;
    await first(this.source, ["sourceopen"], this.stopped.signal);
    this.source.duration = this.presentation.duration;
    for (const kind of ["video", "audio"]) {
      const renditions = [...this.presentation[kind]].sort((a, b) => a.bandwidth - b.bandwidth);
      if (renditions.length > 0) this.tracks.push(new Track(this, kind, renditions));
    }
    Promise.all(this.tracks.map((track) => track.run())).catch((failure) => {
      if (!this.stopped.signal.aborted) this.failed(failure);
    });
  }

  stop() {
    this.stopped.abort();
    this.element.removeAttribute("src");
    this.element.load();
    if (this.objectUrl) URL.revokeObjectURL(this.objectUrl);
  }

  /** Takes a delivery into the running average of bits a second. */
  measure({ bytes, ms }) {
    const measured = (bytes * 8000) / Math.max(ms, 1);
    this.bandwidth = this.bandwidth === 0 ? measured : this.bandwidth * (1 - NEWEST_WEIGHT) + measured * NEWEST_WEIGHT;
  }

  /** Once nothing is missing up to the end, the element may end instead of waiting for more. */
  endIfComplete() {
    const idle = this.source.readyState === "open" && this.tracks.every(({ buffer }) => !buffer.updating);
    if (idle && this.tracks.every((track) => track.complete)) this.source.endOfStream();
  }
}

/** One source buffer with its renditions, lowest bandwidth first. */
class Track {
  constructor(stream, kind, renditions) {
    const [{ type }] = renditions;
    if (!MediaSource.isTypeSupported(type)) throw new Error(`This browser does not play ${type}.`);
    this.stream = stream;
    this.kind = kind;
    this.renditions = renditions;
    this.buffer = stream.source.addSourceBuffer(type);
    this.initialised = null;
    this.complete = false;
  }

  async run() {
    const { element, stopped } = this.stream;
    while (!stopped.signal.aborted) {
      const rendition = this.choose();
      const { initialisation, segments } = await rendition.load();
      // From here to the next wait nothing else runs, so no seek is missed.
      const position = this.missingFrom(element.currentTime);
      const segment = segments.find(({ start, duration }) => start + duration > position + TOLERANCE_SECONDS);
      this.complete = segment === undefined;
      if (this.complete) {
        this.stream.endIfComplete();
        await first(element, ["seeking"], stopped.signal);
      } else if (position - element.currentTime > this.stream.ahead) {
        await first(element, ["timeupdate", "seeking"], stopped.signal);
      } else {
        await this.append(rendition, initialisation, segment);
      }
    }
  }

  /** The first moment at or after `time` that is not buffered yet. */
  missingFrom(time) {
    const { buffered } = this.buffer;
    for (let index = 0; index < buffered.length; index += 1) {
      if (buffered.start(index) <= time + TOLERANCE_SECONDS && buffered.end(index) > time) return buffered.end(index);
    }
    return time;
  }

  choose() {
    const affordable = this.renditions.filter(({ bandwidth }) => bandwidth * SAFETY <= this.stream.bandwidth);
    return affordable.at(-1) ?? this.renditions[0];
  }

  async append(rendition, initialisation, segment) {
    const { deliveries, stopped, element } = this.stream;
    if (this.initialised !== rendition.id) {
      const { body } = await deliveries.fetch(initialisation, "initialisation", stopped.signal);
      await this.change(() => this.buffer.appendBuffer(body));
      this.initialised = rendition.id;
    }
    const { body, record } = await deliveries.fetch(segment.url, this.kind, stopped.signal);
    this.stream.measure(record);
    await this.change(() => this.buffer.appendBuffer(body));
    const old = element.currentTime - KEEP_BEHIND_SECONDS;
    if (old > 0 && this.buffer.buffered.length > 0 && this.buffer.buffered.start(0) < old) {
      await this.change(() => this.buffer.remove(0, old));
    }
  }

  /** Source buffers do one thing at a time and say by an event when it is done. */
  async change(action) {
    const { stopped } = this.stream;
    stopped.signal.throwIfAborted();
    const done = first(this.buffer, ["updateend", "error"], stopped.signal);
    action();
    if ((await done).type === "error") throw new Error(`The browser could not decode the ${this.kind} it received.`);
  }
}

/** The first event of any of these names; rejects when the stream is stopped. Leaves no listeners behind. */
function first(target, names, signal) {
  return new Promise((resolve, reject) => {
    const settled = new AbortController();
    const settle = (finish) => (value) => {
      settled.abort();
      finish(value);
    };
    const listening = { signal: settled.signal };
    for (const name of names) target.addEventListener(name, settle(resolve), listening);
    signal.addEventListener("abort", settle(() => reject(signal.reason)), listening);
  });
}
