"""scripts/bench g, h, i: what promotions, the data's backups and a change of mode cost."""

import os
import random
import shutil
import statistics
import tempfile
import threading
import time

from figures import against, medians, ms, row, spread
from stage import Person, Receiver, large_tree, own_start, run, until

TURNS = 3


def live(receiver, host, words, ask_for):
    """Asks for something, and then the application until it answers with these words: the seconds that took, and the deployment's steps in milliseconds."""
    ask = receiver.asker(host, "/plain")
    begin = time.perf_counter()
    accepted = ask_for()
    until(lambda: ask().startswith(words.encode()), every=0.002)
    took = time.perf_counter() - begin
    return took, receiver.ended(accepted)


def g_promote():
    """(g) Promotion of the large application: over HTTP from another receiver, and from an environment beside it."""
    source, keys = large_tree(), tempfile.mkdtemp()
    alike = {"PAAS_SETTLE": "0", "PAAS_KEEP_RELEASES": str(TURNS)}  # nothing is removed between two measurements, for the reason that Disk gives
    with Receiver(**alike) as staging, Receiver(PAAS_DEFAULT_ENVIRONMENT="prod:prod", PAAS_TRUSTED_KEYS=keys, **alike) as production:
        staging.start()
        production.start()
        with open(os.path.join(keys, "staging.pem"), "wb") as key:
            key.write(staging.ask("127.0.0.1", "/api/v1/signing-key", headers={"Authorization": f"Bearer {staging.token}"})[2])
        production.api("PATCH", "/api/v1/environments/prod", {"releaseSource": f"http://127.0.0.1:{staging.port}/local", "releaseToken": staging.token})
        staging.api("POST", "/api/v1/environments", {"type": "prod", "name": "prod"})
        production.api("PUT", "/api/v1/projects/prod/big")
        person = Person(staging.scratch, "big")
        shutil.copytree(os.path.join(source, "node_modules"), os.path.join(person.directory, "node_modules"), symlinks=True)
        start = own_start(person.directory)
        over_http, beside, fetched, unpacked, http_steps, beside_steps = [], [], [], [], [], []
        for turn in range(1, TURNS + 1):
            person.commit(VERSION=f"{turn}\n")
            person.must_push(staging.remote("big"))
            release = f"/api/v1/projects/local/big/releases/{turn}"
            until(lambda: staging.api("GET", release).get("checkedAt"), limit=300, every=0.1)  # read again behind the push
            size = staging.api("GET", release)["archiveBytes"]

            def promote_over_http():
                took, steps = live(production, "big.localhost", f"hello version {turn} ", lambda: production.api("POST", "/api/v1/projects/prod/big/promote", {}))
                over_http.append(took - start)
                http_steps.append(steps)

            def promote_beside():
                took, steps = live(staging, "big.prod.localhost", f"hello version {turn} ", lambda: staging.api("POST", "/api/v1/projects/prod/big/promote", {}))
                beside.append(took - start)
                beside_steps.append(steps)

            def by_hand():
                curl, tar = fetch_and_unpack(staging, f"{release}/archive")
                fetched.append(curl + tar)
                unpacked.append(tar)

            measure = [by_hand, promote_over_http, promote_beside]
            for one in measure[turn % 3 :] + measure[: turn % 3]:
                os.sync()  # what others wrote is not what this one waits for
                one()
        against(f"g  promote an archive of {size / 1e6:.0f} MB from another receiver", over_http, fetched, "curl + zstd -dc | tar x", 1.2)
        row("g    its steps in ms: " + medians(http_steps), "", "", "", None)
        against("g  promote it in the same receiver", beside, unpacked, "zstd -dc | tar x", 1.2)
        row("g    its steps in ms: " + medians(beside_steps), "", "", "", None)


def fetch_and_unpack(receiver, path):
    """By hand: the seconds that the two commands took."""
    place = tempfile.mkdtemp(dir=receiver.scratch)
    archive, tree = os.path.join(place, "archive.tar.zst"), os.path.join(place, "tree")
    os.mkdir(tree)
    begin = time.perf_counter()
    run("curl", "-sSf", "-H", "@-", "-o", archive, f"http://127.0.0.1:{receiver.port}{path}", input=f"Authorization: Bearer {receiver.token}\n".encode())
    fetched = time.perf_counter()
    run("sh", "-c", 'zstd -q -dc "$1" | tar -x -C "$2"', "sh", archive, tree)
    return fetched - begin, time.perf_counter() - fetched


def h_backup(files=10000, changed=10, turns=5):
    """(h) Backup and restore of 10,000 data files of which 10 changed."""
    chance = random.Random(1)
    with Receiver(PAAS_SETTLE="0", PAAS_KEEP_RELEASES="20") as receiver:
        receiver.start()
        person = Person(receiver.scratch, "hello")
        person.commit(VERSION="1\n")
        person.must_push(receiver.remote("hello"))
        data, project = os.path.join(receiver.root, "projects", "hello", "data"), "/api/v1/projects/local/hello"
        names = [os.path.join(data, f"{number % 10}", f"{number % 100}", f"{number}") for number in range(files)]
        for name in names:
            os.makedirs(os.path.dirname(name), exist_ok=True)
            with open(name, "wb") as file:
                file.write(chance.randbytes(chance.randint(100, 16000)))

        def change():
            for name in chance.sample(names, changed):
                with open(name, "ab") as file:
                    file.write(b"changed\n")
            os.sync()

        def ours(what, order):
            begin = time.perf_counter()
            accepted = receiver.api("POST", f"{project}/{what}", order)
            steps = receiver.ended(accepted)
            return accepted["id"], time.perf_counter() - begin, steps

        def theirs(*arguments):
            begin = time.perf_counter()
            run("rsync", "-a", *arguments)
            return time.perf_counter() - begin

        def copy(turn):
            return os.path.join(receiver.scratch, f"rsync.{turn}")

        ours("backup", {"live": True})
        theirs(data + "/", copy(0) + "/")
        backups, walls, rsyncs, restores, restore_walls, rsyncs_back = [], [], [], [], [], []
        for turn in range(1, turns + 1):
            change()

            def back_up():
                identity, took, steps = ours("backup", {"live": True})
                walls.append(took)
                backups.append(steps["backup"] / 1000)
                return identity

            def rsync():
                rsyncs.append(theirs(f"--link-dest={copy(turn - 1)}", data + "/", copy(turn) + "/"))

            if turn % 2:
                rsync()
            backup = back_up()
            if not turn % 2:
                rsync()

            def restore():
                change()
                _, took, steps = ours("restore", {"backup": backup})
                restore_walls.append(took)
                restores.append(steps["restore"] / 1000)

            def rsync_back():
                change()
                rsyncs_back.append(theirs("--delete", copy(turn) + "/", data + "/"))

            for one in (restore, rsync_back) if turn % 2 else (rsync_back, restore):
                one()
            if left := run("rsync", "-acni", "--delete", copy(turn) + "/", data + "/"):
                raise RuntimeError(f"the data is not as it was backed up:\n{left}")
        against(f"h  backup of {files:,} files of which {changed} changed", backups, rsyncs, "rsync -a --link-dest", 1.2)
        row("h    from asking to its end, the application going on", spread(walls), "", "", None)
        against(f"h  restore where {changed} changed", restores, rsyncs_back, "rsync -a --delete", 1.2)
        row("h    from asking to its end, its own backup and the application's start included", spread(restore_walls), "", "", None)


class Visitor:
    """Somebody who asks all the time on one connection, and how long the longest answer took: while one release takes the other's place, that is what the switch costs."""

    def __init__(self, receiver, host):
        self.ask, self.stop, self.longest = receiver.asker(host, "/plain"), threading.Event(), 0.0
        self.thread = threading.Thread(target=self.visit)

    def visit(self):
        while not self.stop.is_set():
            begin = time.perf_counter()
            if not self.ask().startswith(b"hello version "):
                raise RuntimeError("a visitor was not answered by the application")
            self.longest = max(self.longest, time.perf_counter() - begin)
            time.sleep(0.002)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def i_modes(rounds=5):
    """(i) An environment changes its mode: the longest that a visitor waits for an answer, and what the receiver does meanwhile."""
    with Receiver(PAAS_SETTLE="0") as receiver:
        receiver.start()
        person = Person(receiver.scratch, "hello")
        person.commit(VERSION="1\n")
        person.must_push(receiver.remote("hello"))
        start, waits, steps = own_start(person.directory), {}, {}

        def redeploy():
            return receiver.ended(receiver.api("POST", "/api/v1/projects/local/hello/redeploy", {}))

        def push():  # what is live in final mode is deployed again as it is: another mode takes a push
            person.commit()
            person.must_push(receiver.remote("hello"))
            return receiver.steps_of(receiver.api("GET", "/api/v1/projects/local/hello/deployments?limit=1")["items"][0]["id"])

        for turn in range(rounds + 1):
            for mode, deploy in (("editable", push), ("cooking", redeploy), ("final", redeploy)):
                receiver.api("PATCH", "/api/v1/environments/local", {"mode": mode})
                with Visitor(receiver, "hello.localhost") as visitor:
                    took = deploy()
                if (now := receiver.api("GET", "/api/v1/projects/local/hello")["current"]["mode"]) != mode:
                    raise RuntimeError(f"the live release is {now}, not {mode}")
                if turn:  # the first of each is warming up
                    waits.setdefault(mode, []).append(visitor.longest)
                    steps.setdefault(mode, []).append(took)
        for mode, waited in waits.items():
            row(f"i  change to {mode}: a visitor's longest wait", spread(waited), f"{ms(start)} own start, which nobody waits for", "≤ 30 ms", statistics.median(waited) <= 0.030)
            row("i    its steps in ms: " + medians(steps[mode]), "", "", "", None)


ALL = {"g": g_promote, "h": h_backup, "i": i_modes}
