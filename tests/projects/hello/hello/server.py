"""A threaded HTTP/1.1 server that answers three addresses."""

import os
import signal
import socketserver

from hello import pages, settings

PLAIN = f"hello version {pages.VERSION} {settings.WHAT}\n".encode()
ANSWERS = {
    b"/": (b"text/html; charset=utf-8", pages.render()),
    b"/plain": (b"text/plain; charset=utf-8", PLAIN),
    b"/style.css": (b"text/css", pages.style()),
}


class Visitor(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            request = self.rfile.readline(8192).split()
            if len(request) != 3:
                return
            while self.rfile.readline(8192) not in (b"\r\n", b"\n", b""):
                pass
            known = ANSWERS.get(request[1].split(b"?")[0])
            status = b"200 OK" if known else b"404 Not Found"
            kind, body = known or (b"text/plain", b"No such page.\n")
            self.wfile.write(
                b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body))
                + (b"" if request[0] == b"HEAD" else body)
            )


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


def serve():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with Server(("127.0.0.1", settings.PORT), Visitor) as server:
        print(f"listening on {settings.PORT}, {settings.WHAT}", flush=True)
        server.serve_forever(poll_interval=60)
