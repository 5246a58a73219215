"""The servers that are compared: how each is configured, started on its core, watched and stopped.

Every one gets a folder of its own for its files, ports that were free a moment ago, one worker and the same
certificate. What their configuration says is as much of the comparison as their code: see docs/benchmarks.md.
"""

import http.client
import os
import pathlib
import re
import signal
import socket
import ssl
import string
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
HOST = "localhost"  # the name in the certificate, and one that every load tool can resolve
START_SECONDS = 15
STOP_SECONDS = 5


class Failed(Exception):
    """A measurement, or what it needs, did not work; the text says why."""


class Certificate:
    """One ECDSA P-256 certificate for every server."""

    def __init__(self, folder):
        self.file, self.key = folder / "certificate.pem", folder / "key.pem"
        done = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", self.key, "-out", self.file, "-days", "2", "-subj", "/CN=localhost",
             "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            capture_output=True, text=True, timeout=30)
        if done.returncode != 0:
            raise Failed(f"openssl could not make a certificate: {done.stderr}")


class Server:
    """One running server. Subclasses say what to write and what to run."""

    name = ""
    program = ""
    package = ""
    protocols = ("http1", "http1-tls", "http2")

    def __init__(self, folder, origin_port, certificate, core):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.origin_port = origin_port
        self.certificate = certificate
        self.core = core
        self.http_port, self.https_port, self.admin_port = free_ports(3)
        self.process = None

    def command(self):
        raise NotImplementedError

    def environment(self):
        return {}

    def is_hit(self, fields):
        """Whether a response with these fields (lower-case names) came from the cache."""
        raise NotImplementedError

    def version(self):
        raise NotImplementedError

    def url(self, protocol, path):
        scheme, port = ("http", self.http_port) if protocol == "http1" else ("https", self.https_port)
        return f"{scheme}://{HOST}:{port}{path}"

    def start(self):
        """Starts it and waits until it takes connections."""
        # The kernel ends the server when the benchmark dies without cleaning up.
        pinned = ["setpriv", "--pdeathsig", "TERM", "taskset", "--cpu-list", str(self.core)]
        with open(self.folder / "output.log", "wb") as log:
            self.process = subprocess.Popen(
                pinned + self.command(), cwd=self.folder, env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        port = self.http_port if "http1" in self.protocols else self.https_port
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended at its start: {self.last_words()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise Failed(f"{self.name} took no connection within {START_SECONDS} s: {self.last_words()}")
                time.sleep(0.05)

    def stop(self):
        if self.process is None:
            return
        for kind in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, kind)
            except ProcessLookupError:
                pass
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        self.process = None

    def last_words(self):
        text = (self.folder / "output.log").read_text(errors="replace").strip()
        return text[-2000:] or "(it said nothing)"

    def cpu_seconds(self):
        """User and system time of the process and its children, dead threads included."""
        if self.process.poll() is not None:
            raise Failed(f"{self.name} has ended: {self.last_words()}")
        return sum(process_nanoseconds(pid) for pid in process_tree(self.process.pid)) / 1e9

    def fetch(self, protocol, path):
        """One GET over HTTP/1.1: status, fields, body length, TLS version and cipher."""
        if protocol == "http1":
            connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
            connection.connect()
            tls = None
        else:
            context = ssl.create_default_context(cafile=self.certificate.file)
            raw = socket.create_connection(("127.0.0.1", self.https_port), timeout=10)
            connection = http.client.HTTPConnection(HOST, self.https_port, timeout=10)
            connection.sock = context.wrap_socket(raw, server_hostname=HOST)
            tls = " ".join(connection.sock.cipher()[i] for i in (1, 0))
        try:
            port = self.http_port if protocol == "http1" else self.https_port
            connection.request("GET", path, headers={"Host": f"{HOST}:{port}"})
            response = connection.getresponse()
            body = response.read()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return response.status, fields, len(body), tls
        finally:
            connection.close()


class Nginx(Server):
    """nginx's proxy_cache; its files lie in the page cache, and stay open."""

    name, program, package = "nginx", "nginx", "nginx"
    capacity, open_files = "256m", 1000

    def command(self):
        user = "user root;" if os.geteuid() == 0 else ""
        values = {"user": user, "capacity": self.capacity, "open_files": self.open_files,
                  "http": self.http_port, "https": self.https_port, "origin": self.origin_port,
                  "folder": self.folder, "certificate": self.certificate.file, "key": self.certificate.key}
        configuration = write_template(self.folder, "nginx.conf", values)
        return [self.program, "-p", str(self.folder), "-e", "stderr", "-c", str(configuration)]

    def is_hit(self, fields):
        return fields.get("x-cache-status") == "HIT"

    def version(self):
        return words_of([self.program, "-v"])


class Haproxy(Server):
    """HAProxy's cache, which lies in memory."""

    name, program, package = "HAProxy", "haproxy", "haproxy"

    def command(self):
        both = self.folder / "certificate-and-key.pem"
        both.write_text(self.certificate.file.read_text() + self.certificate.key.read_text())
        values = {"http": self.http_port, "https": self.https_port, "origin": self.origin_port, "pem": both}
        configuration = write_template(self.folder, "haproxy.cfg", values)
        return [self.program, "-db", "-f", str(configuration)]

    def is_hit(self, fields):
        return "age" in fields

    def version(self):
        return words_of([self.program, "-v"]).splitlines()[0]


class Varnish(Server):
    """Varnish's cache in memory. It speaks no TLS."""

    name, program, package = "Varnish", "varnishd", "varnish"
    protocols = ("http1",)

    def command(self):
        configuration = write_template(self.folder, "varnish.vcl", {"origin": self.origin_port})
        # `none`: changing users is for installations. One thread a connection is its design, whatever the pools.
        return [self.program, "-F", "-j", "none", "-n", str(self.folder / "state"), "-f", str(configuration),
                "-a", f"127.0.0.1:{self.http_port}", "-s", "default,256m", "-p", "thread_pools=1"]

    def is_hit(self, fields):
        # The request's own number and, on a hit, that of the request which filled the cache.
        return len(fields.get("x-varnish", "").split()) == 2

    def version(self):
        return re.search(r"varnish-[\d.]+", words_of([self.program, "-V"]))[0]


class TrafficServer(Server):
    """Apache Traffic Server with its memory cache in front of a file."""

    name, program, package = "Traffic Server", "traffic_server", "trafficserver"
    capacity, memory, disk_threads = "256M", 268435456, 1

    def command(self):
        for name in ("configuration", "cache", "state", "log"):
            (self.folder / name).mkdir()
        files = self.folder / "configuration"
        # It refuses to run as root by name; `#-1` leaves the user as it is.
        values = {"user": "#-1", "http": self.http_port, "https": self.https_port,
                  "memory": self.memory, "disk_threads": self.disk_threads}
        write_template(self.folder, "trafficserver.config", values).rename(files / "records.config")
        (files / "remap.config").write_text(f"map / http://127.0.0.1:{self.origin_port}/\n")
        (files / "ssl_multicert.config").write_text(
            f"dest_ip=* ssl_cert_name={self.certificate.file} ssl_key_name={self.certificate.key}\n")
        (files / "storage.config").write_text(f"{self.folder / 'cache'} {self.capacity}\n")
        (files / "ip_allow.yaml").write_text(
            "ip_allow: [{ apply: in, ip_addrs: 127.0.0.1, action: allow, methods: ALL }]\n")
        for name in ("plugin.config", "cache.config", "hosting.config", "parent.config", "volume.config",
                     "splitdns.config", "sni.yaml", "logging.yaml", "strategies.yaml", "socks.config"):
            (files / name).touch()
        return [self.program]

    def environment(self):
        return {"PROXY_CONFIG_CONFIG_DIR": str(self.folder / "configuration"),
                "PROXY_CONFIG_LOCAL_STATE_DIR": str(self.folder / "state"),
                "PROXY_CONFIG_LOG_LOGFILE_DIR": str(self.folder / "log")}

    def is_hit(self, fields):
        # Of its codes in Via: H is a fresh hit, R one in memory.
        return re.search(r"\[[^\]]*c[HR]", fields.get("via", "")) is not None

    def version(self):
        return re.match(r"Traffic Server [\d.]+", words_of([self.program, "--version"]))[0]


class Caddy(Server):
    """Caddy as a file server: the one packaged server here that speaks HTTP/3."""

    name, program, package = "Caddy", "caddy", "caddy"
    protocols = ("http3",)

    def command(self):
        values = {"https": self.https_port, "root": self.folder / "files",
                  "certificate": self.certificate.file, "key": self.certificate.key}
        configuration = write_template(self.folder, "Caddyfile", values)
        return [self.program, "run", "--config", str(configuration), "--adapter", "caddyfile"]

    def environment(self):
        return {"GOMAXPROCS": "1", "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder / "data"),
                "XDG_CONFIG_HOME": str(self.folder / "config")}

    def is_hit(self, fields):
        return True  # there is no cache in front of the files

    def version(self):
        return "Caddy " + words_of([self.program, "version"])


class Floor(Server):
    """No cache: a program that does nothing but write bodies from memory. Its figure is what the kernel takes."""

    name, program, package = "nothing but writes", sys.executable, "python3"
    protocols = ("http1",)

    def command(self):
        files = self.folder / "files"
        return [self.program, str(HERE / "floor.py"), str(self.http_port), str(files), *sorted(os.listdir(files))]

    def is_hit(self, fields):
        return True  # there is nothing behind it

    def version(self):
        return "Python " + sys.version.split()[0]


class Tidegate(Server):
    """One edge node."""

    protocols = ("http1", "http1-tls", "http2", "http3")
    cache = "{}"  # the node's, as YAML in one line

    def __init__(self, name, program, *others):
        super().__init__(*others)
        self.name = name
        self.program = str(pathlib.Path(program).resolve())

    def command(self):
        values = {"http": self.http_port, "https": self.https_port, "admin": self.admin_port,
                  "origin": self.origin_port, "host": HOST, "cache": self.cache,
                  "certificate": self.certificate.file, "key": self.certificate.key}
        configuration = write_template(self.folder, "tidegate.yaml", values)
        return [self.program, "edge", "--config", str(configuration)]

    def is_hit(self, fields):
        return re.search(r";\s*hit\b", fields.get("cache-status", "")) is not None

    def version(self):
        return words_of([self.program, "--version"])


def write_template(folder, name, values):
    """Fills the template of that name into the server's folder."""
    template = string.Template((HERE / "templates" / name).read_text())
    path = folder / name
    path.write_text(template.substitute({key: str(value) for key, value in values.items()}))
    return path


def words_of(command):
    run = subprocess.run(command, capture_output=True, text=True, timeout=10)
    return (run.stdout + run.stderr).strip()


def free_ports(count):
    """Ports that are free for TCP and UDP. Held together while chosen, so that they differ."""
    ports, held = [], []
    for _ in range(100):
        tcp, udp = socket.socket(socket.AF_INET, socket.SOCK_STREAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        held += [tcp, udp]
        try:
            tcp.bind(("127.0.0.1", 0))
            udp.bind(tcp.getsockname())
        except OSError:
            continue
        ports.append(tcp.getsockname()[1])
        if len(ports) == count:
            break
    for one in held:
        one.close()
    if len(ports) < count:
        raise Failed("no free ports on 127.0.0.1")
    return ports


def process_tree(root):
    """A process and all below it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = process_fields(entry)
            if fields:
                parents[int(entry)] = int(fields[1])
    tree = [root]
    for pid in tree:
        tree += [child for child, parent in parents.items() if parent == pid]
    return tree


def process_fields(pid):
    """Fields of /proc/PID/stat from the state on: the name before them may hold anything."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def process_nanoseconds(pid):
    """What the kernel's scheduler has counted for all threads, dead ones included."""
    try:
        # The number of the clock that counts a process' time, as clock_getcpuclockid(3) gives it.
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0
