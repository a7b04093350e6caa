"""scripts/bench a … i, l: pushes, cooking, rollback, a full house, many at once; the letters of modes.py. Prints one table; says where a bar is missed."""

import collections
import concurrent.futures
import datetime
import http.client
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
import uuid

import engine as docker_engine
import modes
import typed
from figures import is_missed, medians, ms, row, spread, table
from stage import Disk, HttpBackend, Person, Receiver, large_tree, own_start, run, until

def serves(receiver, project, version):
    """True when the application's address answers with this version."""
    return receiver.ask(f"{project}.localhost", "/plain")[2].startswith(f"hello version {version} ".encode())


def must_serve(receiver, project, version):
    if not serves(receiver, project, version):
        raise RuntimeError(f"{project} does not answer with version {version}")


def until_live(receiver, project, version, push):
    """Pushes, and asks all the while: how the push went, and the seconds until the new version answered."""
    ask, wanted = receiver.asker(f"{project}.localhost", "/plain"), f"hello version {version} ".encode()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        begin = time.perf_counter()
        live = pool.submit(lambda: until(lambda: ask().startswith(wanted), every=0.005) and time.perf_counter() - begin)
        return push(), live.result()


def by_turns(person, remotes, times=20, warm=3, served=()):
    """Pushes one changed file to each of the remotes by turns, so that all of them meet the same weather: for each a list of pushes."""
    pushes = [[] for _ in remotes]
    for number in range(1, warm + times + 1):
        person.commit(VERSION=f"{number}\n")
        order = list(enumerate(remotes))
        for index, remote in order if number % 2 else reversed(order):
            pushed = person.must_push(remote)
            if number > warm:
                pushes[index].append(pushed)
        for receiver in served:
            must_serve(receiver, "hello", number)
    return pushes


def steps(pushes):
    """The medians of what the receiver says that each step took."""
    return medians([pushed.steps() for pushed in pushes])


def took(pushes):
    return [pushed.took for pushed in pushes]


def a_push_to_live():
    """(a) A ten-file application, warm."""
    with Receiver() as receiver, HttpBackend() as backend:
        receiver.start()
        person = Person(receiver.scratch, "hello")
        pushes, lives, bare = [], [], []
        reference = backend.repository("hello")
        for number in range(1, 24):
            person.commit(VERSION=f"{number}\n")
            bare.append(person.must_push(reference).took)
            pushed, live = until_live(receiver, "hello", number, lambda: person.must_push(receiver.remote("hello")))
            pushes.append(pushed)
            lives.append(live)
        pushes, lives, bare = pushes[3:], lives[3:], bare[3:]
        start = own_start(person.directory)
        over = statistics.median(lives) - statistics.median(bare) - start
        row("a  from git push to the new version's answer, 20 × warm", spread(lives), f"{spread(bare)} bare push + {ms(start)} own start", "", None)
        row("a  overhead of a push", ms(over), "", "≤ 100 ms", over <= 0.100)
        row("a    until git push ends, PAAS_SETTLE (500 ms) and archive included", spread(took(pushes)), "", "", None)
        row("a    its steps in ms: " + steps(pushes), "", "", "", None)
    with Receiver(PAAS_SETTLE="0") as receiver, HttpBackend() as backend:
        receiver.start()
        person = Person(receiver.scratch, "hello")
        pushes, references = by_turns(person, [receiver.remote("hello"), backend.repository("hello")], served=[receiver])
        over = statistics.median(took(pushes)) - statistics.median(took(references)) - start
        row("a    with PAAS_SETTLE=0, until git push ends", spread(took(pushes)), f"{spread(took(references))} bare push", "", None)
        row("a    overhead of that", ms(over), "", "≤ 100 ms", over <= 0.100)


def size_of(person):
    """Files and bytes that a commit of everything holds."""
    names = person.git("ls-files", "-z").split("\0")[:-1]
    return len(names), sum(os.lstat(os.path.join(person.directory, name)).st_size for name in names)


def b_cooking():
    """(b) 11,000 files, and one changed file."""
    source = large_tree()
    with Receiver() as receiver, HttpBackend() as backend:
        receiver.start()
        person = Person(receiver.scratch, "big")
        shutil.copytree(os.path.join(source, "node_modules"), os.path.join(person.directory, "node_modules"), symlinks=True)
        person.commit(VERSION="1\n")
        files, size = size_of(person)
        person.git("repack", "-adq")  # git's own packing, once: both pushes reuse it

        start = own_start(person.directory)
        firsts, walls, bares, plain, seconds, lives, second_bares = [], [], [], [], [], [], []
        all_first, all_second, checkouts = [], [], []
        for turn in range(1, 4):
            name, reference = f"big{turn}", backend.repository(f"big{turn}")
            bare = person.must_push(reference)
            pushed = person.must_push(receiver.remote(name))
            all_first.append(pushed)
            firsts.append(pushed.took - (pushed.at("remote: ") or 0) - start)
            walls.append(pushed.took - bare.took - start)
            bares.append(bare.took)
            plain.append(copy_and_pack(person.directory, receiver.scratch))
            checkouts.append(check_out(person, receiver.scratch))
            person.commit(VERSION=f"{turn + 1}\n")
            second_bare = person.must_push(reference)
            second, live = until_live(receiver, name, turn + 1, lambda: person.must_push(receiver.remote(name)))
            lives.append(live - second_bare.took)
            all_second.append(second)
            second_bares.append(second_bare.took)
            seconds.append(second.took - second_bare.took)
        # The platform's own time is what it adds to git's: the push itself, and git writing the files of the commit.
        reference = statistics.median(plain)
        platform = [first - checkout for first, checkout in zip(firsts, checkouts)]
        ratio = statistics.median(platform) / reference
        row(
            f"b  cooking {files:,} files / {size / 1e6:.0f} MB, beyond git's own: {ratio:.2f} ×",
            spread(platform), f"{spread(plain)} cp -al + tar | zstd -T0 -3", "≤ 1.3 ×", ratio <= 1.3,
        )
        row("b    first line to last, git's checkout included", spread(firsts), f"{spread(checkouts)} git read-tree -u", "", None)
        row("b    push less bare push", spread(walls), f"{spread(bares)} bare push", "", None)
        row("b    its steps in ms: " + steps(all_first), "", "", "", None)
        row("b  one file changed: answers, beyond a bare push", spread(lives), f"{spread(second_bares)} bare push", "≤ 500 ms", statistics.median(lives) <= 0.5)
        row("b    until the push ends (archive durable)", spread(seconds), "", "", None)
        row("b    its steps in ms: " + steps(all_second), "", "", "", None)


def f_check_out(files=20000):
    """(f) 20,000 small files into the working copy and from there into a draft."""
    with Receiver(PAAS_SETTLE="0") as receiver:
        receiver.start()
        person = Person(receiver.scratch, "many")
        for number in range(files):
            place = os.path.join(person.directory, "src", f"{number % 400:03d}")
            os.makedirs(place, exist_ok=True)
            with open(os.path.join(place, f"{number}.txt"), "w", encoding="ascii") as file:
                file.write(f"{number}\n" * 200)
        person.commit(VERSION="1\n", **{"requirements.txt": "# none\n"})
        person.git("repack", "-adq")
        firsts, seconds, references, plain, detections = [], [], [], [], []
        for turn in range(1, 4):
            name = f"many{turn}"
            pushed = person.must_push(receiver.remote(name))
            firsts.append(pushed.steps()["checkout"] / 1000)
            references.append(archive_and_unpack(person, receiver.scratch))
            plain.append(check_out(person, receiver.scratch))
            time.sleep(3)  # the next draft is linked meanwhile, as it is between two pushes of a person
            for number in range(10):
                person.commit(**{f"src/{number:03d}/{number}.txt": f"turn {turn}\n"})
            pushed = person.must_push(receiver.remote(name))
            seconds.append(pushed.steps()["checkout"] / 1000)
            detections.append(pushed.at(" detected (") - pushed.at("-----> Deploying ") - seconds[-1])
        ratio = statistics.median(firsts) / statistics.median(references)
        row(f"f  check-out of {files:,} files: {ratio:.2f} ×", spread(firsts), f"{spread(references)} git archive | tar x", "≤ 1.2 ×", ratio <= 1.2)
        row("f    of it git's own", spread(plain), "", "", None)
        # Detection itself is measured where nothing else is in it, by BuildpackTests.Detection_costs_what_one_folder_costs_however_large_the_repository_is.
        row(f"f    of {files:,} files: the journal's commit before it, reading what they declare, and detection", spread(detections), "", "", None)
        row("f  check-out when 10 files changed", spread(seconds), "", "≤ 100 ms", statistics.median(seconds) <= 0.1)


# Nothing is removed between two measurements, for the reason that Disk gives.
def place_in(scratch):
    return tempfile.mkdtemp(dir=scratch)


def archive_and_unpack(person, scratch):
    """The least that writing a commit's files could cost."""
    place = place_in(scratch)
    begin = time.perf_counter()
    run("sh", "-c", 'git archive HEAD | tar -x -C "$1"', "sh", place, cwd=person.directory, env=person.environment)
    return time.perf_counter() - begin


def check_out(person, scratch):
    """What git alone takes to write the files."""
    place = place_in(scratch)
    environment = dict(person.environment, GIT_DIR=os.path.join(person.directory, ".git"), GIT_WORK_TREE=place, GIT_INDEX_FILE=place + ".index")
    begin = time.perf_counter()
    run("git", "read-tree", "-u", "--reset", "HEAD", env=environment, cwd=place)
    return time.perf_counter() - begin


def copy_and_pack(directory, scratch):
    """The least that cooking could cost: a linked copy and an archive of it."""
    place = place_in(scratch)
    copy, archive = os.path.join(place, "copy"), os.path.join(place, "copy.tar.zst")
    begin = time.perf_counter()
    run("cp", "-al", "--", directory, copy)
    run("sh", "-c", 'tar --exclude=.git -C "$1" -cf - . | zstd -q -T0 -3 -o "$2"', "sh", copy, archive)
    return time.perf_counter() - begin


def c_rollback():
    """(c) From asking to the old version's answer."""
    with Receiver() as receiver:
        receiver.start()
        person = Person(receiver.scratch, "hello")
        for version in ("1", "2"):
            person.commit(VERSION=version + "\n")
            person.must_push(receiver.remote("hello"))
        seconds = []
        for number in range(10):
            wanted = 1 if number % 2 == 0 else 2
            begin = time.perf_counter()
            accepted = receiver.api("POST", "/api/v1/projects/local/hello/rollback", {"release": wanted})
            ask, answer = receiver.asker("hello.localhost", "/plain"), f"hello version {wanted} ".encode()
            until(lambda: ask().startswith(answer), every=0.002)
            seconds.append(time.perf_counter() - begin)
            receiver.ask("127.0.0.1", accepted["url"] + "/log", headers={"Authorization": f"Bearer {receiver.token}"})  # ends when the deployment does
        start = own_start(person.directory)
        over = statistics.median(seconds) - start
        row("c  rollback, until the old version answers, 10 ×", spread(seconds), f"{ms(start)} own start", "", None)
        row("c  overhead of a rollback", ms(over), "", "≤ 50 ms", over <= 0.050)


def d_full_house():
    """(d) 1,000 projects and 10,000 releases on record, beside an empty receiver."""
    with Receiver(PAAS_SETTLE="0") as full, Receiver(PAAS_SETTLE="0") as empty:
        empty.start()
        empty.stop()
        full.start()
        full.stop()
        furnish(full.root, 1000, 10)
        empty_start, full_start = empty.start(), full.start()
        computed = full.computed()
        time.sleep(5)  # what is measured is what an idle receiver holds
        idle_full, idle_empty = full.resident(), empty.resident()
        person = Person(full.scratch, "hello")
        ours, reference = by_turns(person, [full.remote("hello"), empty.remote("hello")], served=[full, empty])
        ratio = statistics.median(took(ours)) / statistics.median(took(reference))
        row(f"d  push with 1,000 projects and 10,000 releases on record: {ratio:.2f} ×", spread(took(ours)), f"{spread(took(reference))} empty receiver", "≤ 1.2 ×", ratio <= 1.2)
        row("d  start to ready", f"{ms(full_start)} ({ms(computed)} of it computing)", f"{ms(empty_start)} empty receiver", "≤ 2000 ms", full_start <= 2)
        row("d  idle memory", f"{idle_full:.0f} MB", f"{idle_empty:.0f} MB empty receiver", "≤ 150 MB", idle_full <= 150)
        row("d    after 23 pushes", f"{full.resident():.0f} MB", f"{empty.resident():.0f} MB", "", None)


def furnish(root, projects, releases):
    """Writes what that many projects leave behind: their rows and the directories of receiver/docs/on-disk.md. None of them is running."""
    database = sqlite3.connect(next(os.path.join(at, name) for at, _, names in os.walk(os.path.join(root, "state")) for name in names if name.endswith(".db")))
    environment = database.execute("SELECT name FROM environments WHERE is_default").fetchone()[0]
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    for number in range(projects):
        name, at = f"seeded-{number}", os.path.join(root, "projects", f"seeded-{number}")
        for directory in ("git", "project", "pillar", "data", "build", "deploy", "releases", "archives"):
            os.makedirs(os.path.join(at, directory))
        run("cp", "-r", "--", template(root), os.path.join(at, "git", "project"))
        database.execute("INSERT INTO projects (environment, name, made_at, last_release) VALUES (?, ?, ?, ?)", (environment, name, begin.isoformat(), releases))
        for release in range(1, releases + 1):
            made = begin + datetime.timedelta(minutes=number * releases + release)
            identity = f"{made:%Y%m%dT%H%M%SZ}-{uuid.uuid4()}"
            commit = uuid.uuid4().hex + "01234567"
            stamp = made.isoformat()
            database.execute(
                """INSERT INTO deployments (id, environment, project, kind, ref, new_commit, mode, rebuild, background, code_only, asked_by, asked_from, state, outcome,
                   release_number, ref_moved, asked_at, started_at, finished_at)
                   VALUES (?, ?, ?, 'Push', 'refs/heads/main', ?, 'Cooking', 0, 0, 0, 'admin', '127.0.0.1', 'finished', 'Live', ?, 1, ?, ?, ?)""",
                (identity, environment, name, commit, release, stamp, stamp, stamp),
            )
            database.execute(
                """INSERT INTO releases (environment, project, number, id, commit_id, mode, made_at, live_at, content_digest, archive_digest, archive_bytes, pruned)
                   VALUES (?, ?, ?, ?, ?, 'Cooking', ?, ?, ?, ?, 4096, ?)""",
                (environment, name, release, identity, commit, stamp, stamp, "0" * 64, "0" * 64, int(release <= releases - 3)),
            )
            if release > releases - 3:
                for kind in ("deploy", "releases"):
                    os.makedirs(os.path.join(at, kind, identity))
                    with open(os.path.join(at, kind, identity, "release.json"), "w", encoding="ascii") as file:
                        file.write("{}\n")
    database.commit()
    database.close()


def template(root):
    """An empty bare repository to copy from."""
    path = os.path.join(os.path.dirname(root), "template.git")
    if not os.path.exists(path):
        run("git", "init", "-q", "--bare", "-b", "main", path)
    return path


def e_many_at_once(count=32):
    """(e) Pushes to as many projects, in sequence and at once."""
    with Receiver(PAAS_SETTLE="0") as receiver:
        receiver.start()
        people = [Person(receiver.scratch, f"many-{number}") for number in range(count)]
        names = [f"many-{number}" for number in range(count)]
        for person, name in zip(people, names):
            person.commit(VERSION="1\n")
            person.must_push(receiver.remote(name))
        for person in people:
            person.commit(VERSION="2\n")
        begin = time.perf_counter()
        for person, name in zip(people, names):
            person.must_push(receiver.remote(name))
        sequence = time.perf_counter() - begin
        for person in people:
            person.commit(VERSION="3\n")
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            begin = time.perf_counter()
            pushed = list(pool.map(lambda pair: pair[0].push(receiver.remote(pair[1])), zip(people, names)))
            at_once = time.perf_counter() - begin
        lost = sum(one.code != 0 or not serves(receiver, name, 3) for one, name in zip(pushed, names))
        for one in pushed:
            if one.code != 0:
                print(one.text)
        cores = os.cpu_count()
        ratio = at_once / (sequence / cores)
        row(f"e  {count} pushes at once: {ratio:.2f} ×", f"{at_once:.2f} s", f"{sequence:.2f} s in sequence ÷ {cores} cores", "≤ 1.5 ×", ratio <= 1.5)
        row("e  lost", str(lost), "", "0", lost == 0)


def l_containers(switches=200):
    """(l) A project that runs as a container: deployed again with an unchanged Dockerfile, and 200 switches under visitors."""
    if why := docker_engine.why_not():
        print(f"  skipped: {why}", flush=True)
        return
    with docker_engine.Engine() as engine, Receiver(PAAS_SETTLE="0", DOCKER_HOST=engine.address) as receiver, HttpBackend() as backend:
        receiver.start()
        person = Person(receiver.scratch, "contained", "contained")
        shutil.copy(docker_engine.BUSYBOX, os.path.join(person.directory, "busybox"))
        person.commit(**{".dockerignore": "NOTES\n.dockerignore\n.git\n"})
        person.must_push(receiver.remote("contained"))
        pushes, bare, builds, starts = [], [], [], []
        for number in range(1, 24):
            person.commit(NOTES=f"{number}\n")
            bare.append(person.must_push(backend.repository("contained")).took)
            pushes.append(person.must_push(receiver.remote("contained")))
            builds.append(engine.own_build(person.directory))
            starts.append(engine.own_start())
        over = statistics.median(took(pushes[3:])) - sum(statistics.median(times[3:]) for times in (bare, builds, starts))
        row("l  git push of an unchanged Dockerfile, PAAS_SETTLE=0", spread(took(pushes[3:])), f"{spread(bare[3:])} bare push", "", None)
        row("l    docker build · docker run until it answers", "", f"{spread(builds[3:])} · {spread(starts[3:])}", "", None)
        row("l    its steps in ms: " + steps(pushes[3:]), "", "", "", None)
        row("l  beyond bare push, docker build and container start", ms(over), "", "≤ 150 ms", over <= 0.150)

        answers, stop = collections.Counter(), threading.Event()

        def visit():
            ask = receiver.asker("contained.localhost", "/cgi-bin/plain")
            while not stop.is_set():
                try:
                    answers["well" if ask().startswith(b"contained version") else "failed"] += 1
                except (OSError, http.client.HTTPException):
                    answers["failed"] += 1
                    ask = receiver.asker("contained.localhost", "/cgi-bin/plain")

        visitor = threading.Thread(target=visit)
        visitor.start()
        for number in range(switches):
            person.commit(NOTES=f"switch {number}\n")
            person.must_push(receiver.remote("contained"))
        stop.set()
        visitor.join()
        row(f"l  failed requests during {switches} container switches", str(answers["failed"]), f"{answers['well']} answered", "0", answers["failed"] == 0)


ALL = {"a": a_push_to_live, "b": b_cooking, "c": c_rollback, "d": d_full_house, "e": e_many_at_once, "f": f_check_out, **modes.ALL, **typed.ALL, "l": l_containers}
os.environ["GIT_CONFIG_NOSYSTEM"] = "1"
for letter in sys.argv[1:]:
    print(f"{letter}: {ALL[letter].__doc__.strip()}", flush=True)
    with Disk():
        ALL[letter]()
table()
sys.exit(1 if is_missed() else 0)
