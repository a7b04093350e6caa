"""A Docker engine of the bench's own: other people's images and containers are not looked at, and nothing is pulled."""

import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time

from stage import CLEAN, free_port, until

BUSYBOX = "/bin/busybox"
SAMPLE = ("Dockerfile", "start", "www")


class Engine:
    """dockerd on a socket in a temporary directory, without firewall rules; all of it ends with it."""

    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="paas-engine-")
        self.address = f"unix://{self.place}/docker.sock"
        self.process = None

    def __enter__(self):
        with open(f"{self.place}/log", "wb") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/dockerd", f"--data-root={self.place}/data", f"--exec-root={self.place}/exec", f"--pidfile={self.place}/pid", f"--host={self.address}", "--group=root",
                 "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"],
                env=dict(CLEAN, HOME=self.place), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        until(self.answers)
        self.docker("network", "create", "bench")
        return self

    def __exit__(self, *_):
        for container in self.docker("ps", "-aq").split():
            self.docker("rm", "-f", container)
        self.docker("network", "prune", "-f")
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.place, ignore_errors=True)

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError("dockerd ended: " + open(f"{self.place}/log", encoding="utf-8", errors="replace").read()[-2000:])
        with socket.socket(socket.AF_UNIX) as asking:
            return asking.connect_ex(f"{self.place}/docker.sock") == 0

    def docker(self, *words):
        environment = dict(CLEAN, PATH="/usr/local/bin:" + CLEAN["PATH"], HOME=self.place, DOCKER_HOST=self.address, DOCKER_BUILDKIT="0")
        done = subprocess.run(["docker", *words], env=environment, check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f"docker {words[0]} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def own_build(self, directory):
        """Seconds of a plain `docker build`."""
        begin = time.perf_counter()
        self.docker("build", "--network", "none", "-t", "own", directory)
        return time.perf_counter() - begin

    def own_start(self):
        """Seconds from `docker run` to the first answer."""
        port = free_port()
        begin = time.perf_counter()
        container = self.docker("run", "-d", "--init", "--network", "bench", "-p", f"127.0.0.1:{port}:8000", "-e", "PORT=8000", "own").strip()
        until(lambda: answers(port), every=0.002)
        took = time.perf_counter() - begin
        self.docker("rm", "-f", container)
        return took


def answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def why_not():
    """What keeps an engine from being started here; None when nothing does."""
    return (
        "docker.io is not installed" if not os.path.exists("/usr/sbin/dockerd") else "an engine of its own needs root" if os.getuid() != 0
        else "busybox-static is not installed" if not os.path.exists(BUSYBOX) else None)
