"""What the benchmarks' command lines have in common."""

import argparse
import os
import pathlib
import shutil
import signal
import sys

import machine
from servers import Failed

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def bounded(most):
    def parse(text):
        value = int(text)
        if not 1 <= value <= most:
            raise argparse.ArgumentTypeError(f"from 1 to {most}")
        return value
    return parse


def parser(about, example):
    """With what every benchmark of one server against one load tool can be told."""
    made = argparse.ArgumentParser(description=about, epilog=f"Example:\n  {example}",
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--server-core", type=int, default=0, help="core of the servers (default 0)")
    made.add_argument("--load-core", type=int, default=1, help="core of the load tools (default 1)")
    made.add_argument("--json", metavar="PATH", help="also write everything measured to this file")
    return made


def problems(options, programs, built):
    """What is missing: packages of `programs`, those of our own that are not `built`, cores."""
    found = []
    if packages := machine.missing(programs):
        found.append(f"missing Debian packages: {' '.join(packages)} (bench/install-tools installs them)")
    found += [f"{path} is no program: cargo build --release" for path in built if shutil.which(path) is None]
    cores = os.sched_getaffinity(0)
    if options.server_core == options.load_core or not {options.server_core, options.load_core} <= cores:
        found.append(f"server and load need two different cores of {sorted(cores)}")
    return found


def progress(words):
    print(words, file=sys.stderr, flush=True)


def run(main):
    """Runs a benchmark to its exit status. One that is terminated stops its servers like one that is interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except Failed as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
