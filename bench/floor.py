#!/usr/bin/env python3
"""A server that does nothing but hand bytes from memory to the kernel: what this machine takes for that alone.

Speaks just enough HTTP/1.1 for the load tool and for one check: GET of a file, one request at a time, no pipelining.
Every response is one header section and a body written in pieces of up to 1 MiB, which was the cheapest of 64 KiB to
4 MiB. For long bodies its own work is next to nothing, so that a cache which copies from memory cannot cost less;
for short ones it is Python that is measured, and nothing is learnt.
"""

import select
import socket
import sys

PIECE = 1 << 20
REQUEST = 4096


class Connection:
    """One client, and what it is still to get."""

    def __init__(self, client):
        self.socket = client
        self.waiting = []

    def read(self):
        """Takes a request; false when the client has gone."""
        try:
            request = self.socket.recv(REQUEST)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        return bool(request) and self.answer(request)

    def answer(self, request):
        words = request.split(b" ", 2)
        body = FILES.get(words[1].decode("latin-1")) if len(words) == 3 else None
        if body is None:
            return False
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
        body = memoryview(body)
        pieces = [body[at:at + PIECE] for at in range(0, len(body), PIECE)]
        self.waiting = [[memoryview(head), pieces[0]], *([piece] for piece in pieces[1:])]
        return True

    def write(self):
        """Hands over as much as the kernel takes; false when the client has gone."""
        try:
            while self.waiting:
                self.advance(self.socket.sendmsg(self.waiting[0]))
        except BlockingIOError:
            pass
        except ConnectionError:
            return False
        return True

    def advance(self, count):
        buffers = self.waiting[0]
        while buffers and count >= len(buffers[0]):
            count -= len(buffers.pop(0))
        if buffers:
            buffers[0] = buffers[0][count:]
        else:
            self.waiting.pop(0)


def serve(port):
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener, select.epoll() as ready:
        listener.setblocking(False)
        ready.register(listener, select.EPOLLIN)
        connections = {}
        while True:
            for descriptor, events in ready.poll():
                if descriptor == listener.fileno():
                    client, _ = listener.accept()
                    client.setblocking(False)
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connections[client.fileno()] = Connection(client)
                    ready.register(client, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
                    continue
                connection = connections[descriptor]
                here = not events & select.EPOLLIN or connection.read()
                if not here or not connection.write():
                    del connections[descriptor]
                    connection.socket.close()


def read_files(folder_and_names):
    folder, *names = folder_and_names
    files = {}
    for name in names:
        with open(f"{folder}/{name}", "rb") as file:
            files[f"/{name}"] = file.read()
    return files


if __name__ == "__main__":
    FILES = read_files(sys.argv[2:])
    serve(int(sys.argv[1]))
