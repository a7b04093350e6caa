import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Visitor(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"not for long\n")


def die():
    print("something went wrong after all", flush=True)
    os._exit(7)


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Visitor)
with open("life", encoding="ascii") as file:
    threading.Timer(float(file.read()), die).start()
server.serve_forever()
