"""The servers of bench/servers.py as caches on disk: with next to nothing in memory, and files whose pages can be dropped."""

import http.client
import json
import os
import re
import time

import servers
from servers import Failed

KIB, MIB, GIB = 1024, 1024**2, 1024**3
CAPACITY = 4 * GIB
SETTLE_SECONDS = 20


class OnDisk:
    """What a benchmark of disks asks of a server."""

    def is_from_disk(self, fields):
        """Whether a response with these fields was a hit that memory of the cache's own did not have."""
        return self.is_hit(fields)

    def settle(self):
        """Returns when what was stored is in files."""

    def drop_pages(self):
        """Has the kernel forget what it has of all files in memory."""
        os.sync()
        for folder, _, names in os.walk(self.folder / "cache"):
            for name in names:
                file = os.open(os.path.join(folder, name), os.O_RDONLY)
                try:
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(file)


class Nginx(OnDisk, servers.Nginx):
    """It has nothing in memory but keys. All files stay open, as of few objects they can."""

    capacity, open_files = "4g", 100_000


class TrafficServer(OnDisk, servers.TrafficServer):
    """Without its memory cache, with as many threads for the disk as it usually has."""

    capacity, memory, disk_threads = "4G", 0, 8

    def is_from_disk(self, fields):
        return re.search(r"\[[^\]]*cH", fields.get("via", "")) is not None

    def settle(self):
        # It gathers what it writes, and says nowhere what is still to be written.
        time.sleep(1)


class Tidegate(OnDisk, servers.Tidegate):
    """With a memory tier that holds four objects or a mebibyte."""

    memory = MIB
    on_disk = True

    def command(self):
        devices = f"[{{directory: {self.folder / 'cache'}, capacity: {CAPACITY // MIB}MiB}}]"
        disk = f", disk: {{devices: {devices}}}" if self.on_disk else ""
        self.cache = f"{{capacity: {self.memory // MIB}MiB{disk}}}"
        return super().command()

    def is_from_disk(self, fields):
        return "detail=disk" in fields.get("cache-status", "").replace(" ", "")

    def start(self):
        super().start()
        self.wait_until("its disk works", lambda: self.metric("tidegate_disk_device_state", 'state="working"') == 1)

    def settle(self):
        self.wait_until("all is written", lambda: self.metric("tidegate_disk_queued_write_bytes") == 0)

    def wait_until(self, what, holds):
        deadline = time.monotonic() + SETTLE_SECONDS
        while self.on_disk and not holds():
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} took more than {SETTLE_SECONDS} s until {what}: {self.last_words()}")
            time.sleep(0.02)

    def metric(self, name, label=""):
        """The sum of a family's values, of those series that have this label."""
        status, text = self.admin("GET", "/metrics")
        if status != 200:
            raise Failed(f"{self.name} gives no metrics: {status}")
        lines = re.findall(rf"^{name}(\{{[^}}]*\}})? ([0-9.e+-]+)$", text, re.MULTILINE)
        return sum(float(value) for labels, value in lines if label in labels)

    def admin(self, method, path, body=None):
        """Status and text of a call of the operator's listener."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        try:
            connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()
