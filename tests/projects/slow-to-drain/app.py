import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

with open("seconds", encoding="ascii") as file:
    SECONDS = float(file.read())


class Visitor(BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(SECONDS)
        body = f"release {os.environ.get('PAAS_RELEASE', 'none')}, without haste\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # leaving the with block waits for the open requests


with Server(("127.0.0.1", int(os.environ["PORT"])), Visitor) as server:
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
