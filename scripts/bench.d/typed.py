"""scripts/bench k: how soon corpus says its first word."""

import os
import statistics
import subprocess
import time

from figures import row, spread
from stage import CLEAN, TOP, Receiver

TIMES = 25


def first_output(words, environment):
    """Seconds from exec to the first byte on standard output; the command ends well."""
    begin = time.perf_counter()
    with subprocess.Popen(words, env=environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        said = process.stdout.read(1)
        took = time.perf_counter() - begin
        process.stdout.read()
    if process.returncode != 0 or not said:
        raise RuntimeError(f"{words} ended with {process.returncode}")
    return took


def k_first_words():
    """(k) From exec to the first output of corpus, compiled ahead, beside /bin/true."""
    corpus = os.path.join(TOP, ".paas", "bin", "corpus")
    with Receiver() as receiver:
        receiver.start()
        receiver.api("PUT", "/api/v1/projects/local/hello")
        environment = dict(CLEAN, HOME=receiver.scratch, PAAS_URL=f"http://127.0.0.1:{receiver.port}", PAAS_TOKEN=receiver.token)
        for name in ("DOTNET_ROOT", "DOTNET_ROOT_X64"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment.setdefault("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
        asked = {"--help": 0.080, "status": 0.150}
        took = {word: [] for word in asked}
        reference = []
        # By turns, so that all of them meet the same weather.
        for turn in range(TIMES + 3):
            begin = time.perf_counter()
            subprocess.run(["/bin/true"], env=environment, check=True)
            reference.append(time.perf_counter() - begin)
            for word in asked:
                seconds = first_output([corpus, word], environment)
                if turn >= 3:
                    took[word].append(seconds)
        for word, bar in asked.items():
            row(f"k  corpus {word}, to the first output", spread(took[word]), f"/bin/true {spread(reference)}", f"≤ {bar * 1000:.0f} ms", statistics.median(took[word]) <= bar)


ALL = {"k": k_first_words}
