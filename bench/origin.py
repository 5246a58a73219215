"""The origin that fills the caches: a few generated files, served from a thread of the benchmark itself.

It counts its requests. While a cache is measured the count must stand still: that proves that every measured
response was a hit, whatever its fields say.
"""

import http.server
import os
import threading

FRESH_SECONDS = 24 * 3600  # longer than any run, so that nothing is revalidated while it is measured


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A cache that drops an idle connection is no news; a failed fill shows as a miss."""


class Origin:
    """Serves `files` (path to bytes) on a loopback port, and can write them to a folder for a file server.

    `fields` gives more response fields for a path.
    """

    def __init__(self, files, fields=lambda path: {}):
        self.files = files
        self.fields = fields
        self.requests = 0
        self._lock = threading.Lock()
        self._server = QuietServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def write_files(self, folder):
        for path, body in self.files.items():
            with open(os.path.join(folder, path.lstrip("/")), "wb") as file:
                file.write(body)

    def _handler(origin):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60
            # A response leaves in one piece: in two the second one would wait for the first one's acknowledgement.
            wbufsize = 64 * 1024
            disable_nagle_algorithm = True

            def do_GET(self):
                body = origin.files.get(self.path)
                if body is not None:  # health probes of other paths are no fills
                    with origin._lock:
                        origin.requests += 1
                self.send_response(200 if body is not None else 404)
                body = body or b""
                self.send_header("Content-Type", "application/octet-stream")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", f"public, max-age={FRESH_SECONDS}")
                self.send_header("ETag", f'"{len(body)}"')
                for name, value in origin.fields(self.path).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        return Handler
