import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FILE = os.path.join(os.environ["PAAS_DATA_DIR"], "counter")
GATE = threading.Lock()


def visit():
    with GATE:
        try:
            with open(FILE, encoding="ascii") as file:
                number = int(file.read()) + 1
        except FileNotFoundError:
            number = 1
        with open(FILE + ".new", "w", encoding="ascii") as file:
            file.write(f"{number}\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(FILE + ".new", FILE)
        return number


class Visitor(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"visitor {visit()} of release {os.environ.get('PAAS_RELEASE', 'none')}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Visitor).serve_forever()
