"""An HTTP/3 client that is not ours: asks an edge by aioquic and prints what came back as one line of JSON.

    http3_client.py --address 127.0.0.1 --port 8443 --name media.tidegate.test --ca ca.pem SCENARIO

Scenarios:
    get PATH            status, fields, length and SHA-256 of the body
    head PATH           the same
    range PATH RANGE    the same
    echo PATH BYTES     posts so many bytes and compares what comes back
    cancel PATH BYTES   reads so many bytes, stops the stream, then makes another request on the same connection
    parallel PATH N     N requests at once on one connection: how many distinct answers, and how many there were
"""

import argparse
import asyncio
import hashlib
import json
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset

# Longer than anything here takes on a busy machine.
PATIENCE_SECONDS = 60


class Exchange:
    """One request and what has come of its response."""

    def __init__(self):
        self.status = None
        self.fields = {}
        self.body = bytearray()
        self.end = None
        self.progress = asyncio.Event()

    def summary(self):
        digest = hashlib.sha256(self.body).hexdigest()
        return {"status": self.status, "fields": self.fields, "length": len(self.body), "sha256": digest, "end": self.end}


class Http(H3Connection):
    """aioquic takes the Content-Length of an answer to HEAD for that of its body (RFC 9110 section 8.6 says otherwise)."""

    def __init__(self, quic):
        super().__init__(quic)
        self.heads = set()

    def _check_content_length(self, stream):
        if stream.stream_id not in self.heads:
            super()._check_content_length(stream)


class Client(QuicConnectionProtocol):
    """A connection with its running exchanges by stream."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.http = Http(self._quic)
        self.exchanges = {}
        self.authority = ""

    def begin(self, method, path, fields=(), body=b""):
        stream = self._quic.get_next_available_stream_id()
        self.exchanges[stream] = Exchange()
        if method == "HEAD":
            self.http.heads.add(stream)
        pseudo = [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", path)]
        length = [("content-length", str(len(body)))] if body else []
        headers = [(name.encode(), value.encode()) for name, value in [*pseudo, *fields, *length]]
        self.http.send_headers(stream, headers, end_stream=not body)
        if body:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        return stream

    async def finish(self, stream):
        exchange = self.exchanges[stream]
        while exchange.end is None:
            await self.wait(exchange)
        return exchange

    async def read(self, stream, count):
        exchange = self.exchanges[stream]
        while len(exchange.body) < count and exchange.end is None:
            await self.wait(exchange)
        return exchange

    @staticmethod
    async def wait(exchange):
        await exchange.progress.wait()
        exchange.progress.clear()

    def stop(self, stream):
        self._quic.stop_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        self.transmit()

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            for stream in self.exchanges:
                self.advance(stream, end=f"connection closed: {event.error_code} {event.reason_phrase}")
        if isinstance(event, StreamReset) and event.stream_id in self.exchanges:
            self.advance(event.stream_id, end="reset")
        for http_event in self.http.handle_event(event):
            if isinstance(http_event, HeadersReceived):
                self.headers(http_event)
            elif isinstance(http_event, DataReceived) and http_event.stream_id in self.exchanges:
                self.exchanges[http_event.stream_id].body += http_event.data
                self.advance(http_event.stream_id, end="clean" if http_event.stream_ended else None)

    def headers(self, event):
        exchange = self.exchanges.get(event.stream_id)
        if exchange is None:
            return
        fields = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
        if exchange.status is None:
            exchange.status = int(dict(fields)[":status"])
            exchange.fields = {name: value for name, value in fields if not name.startswith(":")}
        self.advance(event.stream_id, end="clean" if event.stream_ended else None)

    def advance(self, stream, end):
        exchange = self.exchanges[stream]
        exchange.end = exchange.end or end
        exchange.progress.set()


async def simple(client, method, path, fields=()):
    exchange = await client.finish(client.begin(method, path, fields))
    return exchange.summary()


async def echo(client, path, count):
    body = bytes(index * 7 % 251 for index in range(int(count)))
    exchange = await client.finish(client.begin("POST", path, body=body))
    return {"status": exchange.status, "length": len(exchange.body), "same": exchange.body == body, "end": exchange.end}


async def cancel(client, path, count):
    stream = client.begin("GET", path)
    exchange = await client.read(stream, int(count))
    read = len(exchange.body)
    client.stop(stream)
    after = await client.finish(client.begin("GET", path))
    return {"read": read, "after": after.summary()}


async def parallel(client, path, count):
    streams = [client.begin("GET", path) for _ in range(int(count))]
    exchanges = [await client.finish(stream) for stream in streams]
    answers = {(exchange.status, hashlib.sha256(exchange.body).hexdigest(), exchange.end) for exchange in exchanges}
    return {"count": len(exchanges), "answers": sorted(answers)}


SCENARIOS = {
    "get": lambda client, path: simple(client, "GET", path),
    "head": lambda client, path: simple(client, "HEAD", path),
    "range": lambda client, path, value: simple(client, "GET", path, [("range", value)]),
    "echo": echo,
    "cancel": cancel,
    "parallel": parallel,
}


async def run(options):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=options.name)
    configuration.load_verify_locations(options.ca)
    async with connect(options.address, options.port, configuration=configuration, create_protocol=Client) as client:
        client.authority = options.name
        scenario = SCENARIOS[options.scenario]
        return await asyncio.wait_for(scenario(client, *options.arguments), PATIENCE_SECONDS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--name", required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("arguments", nargs="*")
    result = asyncio.run(run(parser.parse_args()))
    json.dump(result, sys.stdout)
    print()


if __name__ == "__main__":
    main()
