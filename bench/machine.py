"""What the figures were made on, and what is missing to make them."""

import os
import pathlib
import platform
import re
import shutil
import subprocess

# Program, Debian's package.
TOOLS = {"nginx": "nginx", "haproxy": "haproxy", "caddy": "caddy", "varnishd": "varnish",
         "traffic_server": "trafficserver", "wrk": "wrk", "h2load": "nghttp2-client",
         "openssl": "openssl", "taskset": "util-linux", "setpriv": "util-linux", "chrt": "util-linux"}


def missing(programs):
    """Debian's packages of those programs that are not installed."""
    return sorted({TOOLS[program] for program in programs if shutil.which(program) is None})


def words(command):
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError:
        return ""
    return (run.stdout + run.stderr).strip().splitlines()[0] if run.stdout + run.stderr else ""


def describe():
    """Processor, kernel and versions of what loads."""
    information = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", information)
    release = pathlib.Path("/etc/os-release")
    system = re.search(r'PRETTY_NAME="(.*)"', release.read_text()) if release.exists() else None
    return {
        "processor": model[1].strip() if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "system": system[1] if system else platform.system(),
        "wrk": re.sub(r"\s*Copyright.*", "", words(["wrk", "-v"])),
        "h2load": words(["h2load", "--version"]),
        "load_average_at_start": os.getloadavg()[0],
    }
