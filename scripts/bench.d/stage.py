"""What the benchmarks play on: a receiver, git's own HTTP server beside it, a person's repository. Standard library only."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAMPLES = os.path.join(TOP, "tests", "projects")
CACHE = os.path.join(TOP, ".paas", "bench")
CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(*command, **options):
    """A command that must succeed; what it printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def until(what, limit=60.0, every=0.001):
    """Asks until the answer is true; returns it."""
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(every)
    raise TimeoutError(f"not within {limit} seconds")


def large_tree():
    """The large application: an npm tree, made once and kept in .paas/bench."""
    made = os.path.join(CACHE, "tree")
    if not os.path.exists(os.path.join(made, ".complete")):
        shutil.rmtree(made, ignore_errors=True)
        shutil.copytree(os.path.join(TOP, "scripts", "bench.d", "tree"), made)
        print("  fetching the npm tree …", flush=True)
        run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=made)
        with open(os.path.join(made, ".complete"), "w", encoding="ascii"):
            pass
    return made


class Disk:
    """
    A new ext4 file system for everything that follows. For minutes ext4 looks at each file that was removed lately before it makes a new one (recently_deleted in
    fs/ext4/ialloc.c): ten thousand that another measurement removed make everybody's next files up to ten times as slow.
    """

    def __init__(self):
        self.scratch = tempfile.mkdtemp(prefix="paas-disk-")
        self.place = os.path.join(self.scratch, "disk")

    def __enter__(self):
        image = os.path.join(self.scratch, "image")
        os.mkdir(self.place)
        with open(image, "wb") as file:
            file.truncate(16 << 30)
        try:
            run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", image)
            run("mount", "-o", "loop", image, self.place)
        except (RuntimeError, OSError) as why:
            print(f"  no file system of its own, so what was removed before may slow it: {str(why).strip()}", flush=True)
        os.chmod(self.place, 0o1777)
        os.chmod(self.scratch, 0o755)
        tempfile.tempdir = self.place

    def __exit__(self, *_):
        tempfile.tempdir = None
        if os.path.ismount(self.place):
            run("umount", "--lazy", self.place)
        shutil.rmtree(self.scratch)


class Receiver:
    """paas-receiver, Release build, on a free loopback port with a temporary root."""

    def __init__(self, root=None, **settings):
        self.settings = settings
        self.scratch = tempfile.mkdtemp(prefix="paas-bench-")
        self.root = root or os.path.join(self.scratch, "srv")
        os.makedirs(self.root, exist_ok=True)
        self.port = free_port()
        self.token = secrets.token_hex(20)
        self.process = None
        self.log = os.path.join(self.scratch, "receiver.log")

    def start(self):
        """Returns the seconds from exec to the first answer of /healthz."""
        environment = dict(
            CLEAN,
            HOME=self.scratch,
            PAAS_ROOT=self.root,
            PAAS_LISTEN=f"http://127.0.0.1:{self.port}",
            PAAS_SSH_LISTEN="",
            PAAS_ADMIN_TOKEN=self.token,
            **self.settings,
        )
        for name in ("DOTNET_ROOT", "DOTNET_ROOT_X64"):
            if name in os.environ:
                environment[name] = os.environ[name]
        begin = time.perf_counter()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(TOP, ".paas", "bin", "paas-receiver")], env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

        def healthy():
            if self.process.poll() is not None:
                with open(self.log, encoding="utf-8", errors="replace") as text:
                    raise RuntimeError(f"the receiver ended with {self.process.returncode}:\n{text.read()}")
            try:
                return self.ask("127.0.0.1", "/healthz")[0] == 200
            except OSError:
                return False

        until(healthy)
        return time.perf_counter() - begin

    def ask(self, host, path, method="GET", body=None, headers=None):
        """One request on a connection of its own: (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}, Host=host))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def asker(self, host, path):
        """Asks the same again and again on one connection, as a browser does: less work beside what is measured than a connection each."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

        def ask():
            connection.request("GET", path, headers={"Host": host})
            return connection.getresponse().read()

        return ask

    def api(self, method, path, what=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        status, _, body = self.ask("127.0.0.1", path, method, json.dumps(what) if what is not None else None, headers)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {body.decode(errors='replace')}")
        return json.loads(body) if body else None

    def ended(self, accepted):
        """Returns when a deployment has: its steps in milliseconds."""
        self.ask("127.0.0.1", accepted["log"], headers={"Authorization": f"Bearer {self.token}"})  # ends when the deployment does
        return self.steps_of(accepted["id"])

    def steps_of(self, deployment):
        """What each step of a deployment that went well took, in milliseconds."""
        told = self.api("GET", f"/api/v1/deployments/{deployment}")
        if told.get("outcome") not in ("live", "liveButUntidy", "done"):
            raise RuntimeError(f"{told.get('kind')} ended {told.get('outcome')}: {told.get('failure')}")
        return {step["name"]: step["milliseconds"] for step in told["steps"] if step.get("milliseconds") is not None}

    def remote(self, project):
        return f"http://admin:{self.token}@127.0.0.1:{self.port}/git/{project}.git"

    def resident(self):
        """Resident memory in MB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024

    def computed(self):
        """Seconds of processor time since the start."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            words = stat.read().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([os.path.join(TOP, "scripts", "end-all"), self.scratch], check=False)
        if self.process:
            self.process.wait(60)
        shutil.rmtree(self.scratch, ignore_errors=True)


class HttpBackend:
    """`git http-backend` behind nginx and fcgiwrap, Basic authentication, nothing else."""

    def __init__(self):
        self.scratch = tempfile.mkdtemp(prefix="paas-reference-")
        os.chmod(self.scratch, 0o755)
        self.port = free_port()
        self.token = secrets.token_hex(20)
        self.processes = []

    def __enter__(self):
        at = self.scratch
        bell = os.path.join(at, "fcgi.sock")
        environment = dict(CLEAN, HOME=at, GIT_CONFIG_NOSYSTEM="1", GIT_HTTP_EXPORT_ALL="1")
        self.processes.append(subprocess.Popen(["fcgiwrap", "-c", "4", "-s", f"unix:{bell}"], env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))
        until(lambda: os.path.exists(bell))
        with open(os.path.join(at, "users"), "w", encoding="ascii") as users:
            users.write(f"admin:{{PLAIN}}{self.token}\n")
        with open(os.path.join(at, "nginx.conf"), "w", encoding="ascii") as conf:
            conf.write(
                f"""
                {'user root;' if os.getuid() == 0 else ''}
                daemon off; worker_processes 2; pid {at}/nginx.pid; error_log {at}/error.log;
                events {{ worker_connections 256; }}
                http {{
                    access_log off; client_body_temp_path {at}/body; fastcgi_temp_path {at}/fcgi; proxy_temp_path {at}/proxy;
                    uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi; client_max_body_size 0;
                    server {{
                        listen 127.0.0.1:{self.port};
                        location / {{
                            auth_basic git; auth_basic_user_file {at}/users;
                            fastcgi_pass unix:{bell}; fastcgi_request_buffering off; fastcgi_read_timeout 600;
                            fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;
                            fastcgi_param GIT_PROJECT_ROOT {at}; fastcgi_param PATH_INFO $uri; fastcgi_param GIT_HTTP_EXPORT_ALL 1;
                            fastcgi_param QUERY_STRING $query_string; fastcgi_param REQUEST_METHOD $request_method;
                            fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length;
                            fastcgi_param REMOTE_USER $remote_user; fastcgi_param REMOTE_ADDR $remote_addr;
                            fastcgi_param SERVER_PROTOCOL $server_protocol; fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
                            fastcgi_param HTTP_GIT_PROTOCOL $http_git_protocol; fastcgi_param HOME {at};
                        }}
                    }}
                }}
                """
            )
        self.processes.append(subprocess.Popen(["nginx", "-p", at, "-c", os.path.join(at, "nginx.conf")], env=CLEAN, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True))
        until(lambda: listens(self.port))
        return self

    def repository(self, name):
        """A new bare repository that takes pushes; its remote address."""
        path = os.path.join(self.scratch, name + ".git")
        environment = dict(CLEAN, HOME=self.scratch, GIT_CONFIG_NOSYSTEM="1")
        run("git", "init", "-q", "--bare", "-b", "main", path, env=environment)
        run("git", "-C", path, "config", "http.receivepack", "true", env=environment)
        run("git", "-C", path, "config", "receive.autogc", "false", env=environment)
        return f"http://admin:{self.token}@127.0.0.1:{self.port}/{name}.git"

    def __exit__(self, *_):
        for process in reversed(self.processes):
            os.killpg(process.pid, signal.SIGTERM)  # fcgiwrap leaves its children behind otherwise
            process.wait(30)
        run("rm", "-rf", "--", self.scratch)


class Pushed:
    """How a push went: its exit code, its lines with the second each came at, and the seconds it took."""

    def __init__(self, code, lines, took):
        self.code, self.lines, self.took = code, lines, took

    def at(self, pattern):
        """The second at which the first line with this in it came; None when none did."""
        return next((at for at, line in self.lines if pattern in line), None)

    def steps(self):
        """The receiver's own timings in milliseconds: checkout 13 ms · build 1.2 s …"""
        told = next((line for _, line in self.lines if " · " in line), "").replace("remote:", "").strip()
        words = [part.rsplit(" ", 2) for part in told.split(" · ")]
        return {name: float(number) * (1000 if unit == "s" else 1) for name, number, unit in (three for three in words if len(three) == 3) if unit in ("ms", "s")}

    @property
    def text(self):
        return "\n".join(line for _, line in self.lines)


class Person:
    """A repository on this side, with the real git and none of this machine's git settings."""

    def __init__(self, scratch, name, sample="hello"):
        self.directory = os.path.join(scratch, name)
        self.environment = dict(
            CLEAN,
            HOME=scratch,
            GIT_CONFIG_NOSYSTEM="1",
            GIT_TERMINAL_PROMPT="0",
            GIT_AUTHOR_NAME="Pusher",
            GIT_AUTHOR_EMAIL="pusher@localhost",
            GIT_COMMITTER_NAME="Pusher",
            GIT_COMMITTER_EMAIL="pusher@localhost",
        )
        if sample:
            shutil.copytree(os.path.join(SAMPLES, sample), self.directory)
        else:
            os.makedirs(self.directory)
        self.git("init", "-q", "-b", "main")
        self.git("config", "gc.auto", "0")

    def git(self, *arguments):
        return run("git", *arguments, cwd=self.directory, env=self.environment)

    def commit(self, **files):
        """Commits everything; VERSION="2" writes that file first."""
        for name, content in files.items():
            with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
                file.write(content)
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", "Change")

    def push(self, remote, *options):
        begin = time.perf_counter()
        process = subprocess.Popen(
            ["git", "push", *options, remote, "main"], cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        lines = [(time.perf_counter() - begin, line.decode(errors="replace").rstrip()) for line in process.stderr]
        code = process.wait()
        return Pushed(code, lines, time.perf_counter() - begin)

    def must_push(self, remote, *options):
        pushed = self.push(remote, *options)
        if pushed.code != 0:
            raise RuntimeError(f"git push ended with {pushed.code}:\n{pushed.text}")
        return pushed


def own_start(directory, times=15):
    """Seconds from exec to listening of the sample application in a fresh checkout, started by a shell as the platform does: the median."""
    took = []
    for _ in range(times):
        port = free_port()
        with tempfile.TemporaryDirectory() as fresh:
            place = os.path.join(fresh, "checkout")
            shutil.copytree(directory, place, ignore=shutil.ignore_patterns(".git", "__pycache__", "node_modules"))
            begin = time.perf_counter()
            process = subprocess.Popen(["sh", "-c", "exec /usr/bin/python3 app.py"], cwd=place, env=dict(CLEAN, PORT=str(port)), stdout=subprocess.DEVNULL)
            until(lambda: listens(port), every=0.0005)
            took.append(time.perf_counter() - begin)
            process.terminate()
            process.wait()
    return sorted(took)[len(took) // 2]
