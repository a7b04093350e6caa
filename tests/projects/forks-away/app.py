import os
import signal
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(os.path.join(os.environ["PAAS_DATA_DIR"], "runaway"), "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(3600)
    os._exit(0)

os.wait()
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), SimpleHTTPRequestHandler).serve_forever()
