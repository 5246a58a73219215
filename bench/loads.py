"""The load tools: what is run for each protocol, and what its words mean."""

import dataclasses
import json
import pathlib
import re
import subprocess

from servers import Failed

HERE = pathlib.Path(__file__).resolve().parent
SLACK_SECONDS = 30  # a load tool that has not ended so long after its time is killed


@dataclasses.dataclass
class Case:
    """One kind of request: a protocol and an object."""

    protocol: str
    path: str
    size: int
    connections: int
    streams: int

    @property
    def title(self):
        size = f"{self.size // 1024} KiB" if self.size < 1024 * 1024 else f"{self.size // 1024 // 1024} MiB"
        return f"{PROTOCOLS[self.protocol]}, {size}"


PROTOCOLS = {"http1": "HTTP/1.1", "http1-tls": "HTTP/1.1 TLS", "http2": "HTTP/2 TLS", "http3": "HTTP/3"}


@dataclasses.dataclass
class Load:
    """What one run of a load tool did."""

    requests: int
    requests_per_second: float
    errors: int
    body_bytes: float  # at least roughly: wrk counts fields too, and rounds
    fields: dict  # of one response, where the tool shows it


def command(case, server, seconds, loadtest):
    url = server.url(case.protocol, case.path)
    if case.protocol in ("http1", "http1-tls"):
        return ["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s", "--timeout", "10s", url]
    if case.protocol == "http2":
        return ["h2load", "-t1", f"-c{case.connections}", f"-m{case.streams}", "-D", str(seconds), url]
    return [loadtest, "h3", "--url", url, "--connect", f"127.0.0.1:{server.https_port}",
            "--ca", str(server.certificate.file), "--connections", str(case.connections),
            "--streams", str(case.streams), "--duration", f"{seconds}s",
            "--expect-length", str(case.size), "--output", "json"]


def run(case, server, seconds, loadtest):
    """Runs the tool for a case, and checks errors, status and size."""
    words = command(case, server, seconds, loadtest)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + SLACK_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed(f"{words[0]} did not end")
    parse = {"http2": parse_h2load, "http3": parse_loadtest}.get(case.protocol, parse_wrk)
    try:
        load = parse(done.stdout)
    except (AttributeError, KeyError, ValueError):
        raise Failed(f"{words[0]} ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-500:]}")
    check(case, load)
    return load


def check(case, load):
    """A run with an error, or with bodies of the wrong size, measures something else."""
    if load.errors:
        raise Failed(f"{load.errors} of {load.requests} requests failed")
    if load.requests == 0:
        raise Failed("nothing was answered")
    mean = load.body_bytes / load.requests
    fields_and_rounding = 1024 + 0.02 * case.size
    # What was on its way when the run ended counts as bytes, not as requests.
    unfinished = case.connections * case.streams * case.size / load.requests
    if not case.size * 0.98 <= mean <= case.size + fields_and_rounding + unfinished:
        raise Failed(f"{mean:.0f} bytes a response where {case.size} were expected")


UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def parse_wrk(text):
    total = re.search(r"(\d+) requests in [\d.]+\w+, ([\d.]+)([KMGT]?)B read", text)
    socket_errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    bad_status = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = sum(map(int, socket_errors.groups())) if socket_errors else 0
    errors += int(bad_status[1]) if bad_status else 0
    return Load(requests=int(total[1]), requests_per_second=float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
                errors=errors, body_bytes=float(total[2]) * UNITS[total[3]], fields={})


def parse_h2load(text):
    counts = re.search(r"requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, "
                       r"(\d+) failed, (\d+) errored, (\d+) timeout", text)
    succeeded, failed, _errored, timeout = map(int, counts.groups())  # what errored is part of what failed
    statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    errors = failed + timeout + sum(map(int, statuses.groups()[1:]))
    return Load(requests=succeeded, requests_per_second=float(re.search(r"([\d.]+) req/s", text)[1]), errors=errors,
                body_bytes=int(re.search(r"\((\d+)\) data", text)[1]), fields={})


def parse_loadtest(text):
    report = json.loads(text)
    return Load(requests=report["requests"], requests_per_second=report["requests_per_second"],
                errors=report["failed"], body_bytes=report["body_bytes"],
                fields=dict(report["first_response"]["fields"]))


@dataclasses.dataclass
class Many:
    """Requests over HTTP/1.1 for many objects of one size: PREFIX/0, PREFIX/1, and so on."""

    prefix: str
    size: int
    count: int
    connections: int


@dataclasses.dataclass
class Answers:
    """What wrk saw of them."""

    requests: int
    seconds: float
    p50_us: float
    p99_us: float

    @property
    def requests_per_second(self):
        return self.requests / self.seconds


def random_ones(many, server, seconds, seed):
    """Asks for them in random order for some seconds."""
    return ask_many(many, server, seconds, ["random", str(seed), "0"])


def each_once(many, server, requests, seed, most_seconds):
    """Asks for so many of them, none twice."""
    return ask_many(many, server, most_seconds, ["once", str(seed), str(requests)])


def ask_many(many, server, seconds, how):
    # The kernel ends it when the benchmark dies without cleaning up.
    words = ["setpriv", "--pdeathsig", "TERM", "wrk", "-t1", f"-c{many.connections}", f"-d{seconds}s", "--timeout",
             "10s", "-s", str(HERE / "many.lua"), server.url("http1", "/"), "--", many.prefix, str(many.count), *how]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + SLACK_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed("wrk did not end")
    try:
        seen = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise Failed(f"wrk ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-500:]}")
    load = Load(requests=seen["requests"], requests_per_second=0, errors=seen["errors"] + seen["bad_status"],
                body_bytes=seen["bytes"], fields={})
    check(Case("http1", many.prefix, many.size, many.connections, 1), load)
    return Answers(seen["requests"], seen["seconds"], seen["p50_us"], seen["p99_us"])
