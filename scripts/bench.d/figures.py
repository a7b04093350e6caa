"""The one table that scripts/bench prints: each figure beside its reference from the same run, and whether its bar is met."""

import os
import statistics

ROWS = []


def row(what, ours, reference, bar, good):
    ROWS.append((what, ours, reference, bar, "" if good is None else "ok" if good else "MISSED"))
    print("  " + " | ".join(cell for cell in ROWS[-1] if cell), flush=True)


def against(what, ours, reference, of, most):
    """A row of measured seconds that must not be more than so many times those of the reference, median by median."""
    ratio = statistics.median(ours) / statistics.median(reference)
    row(f"{what}: {ratio:.2f} ×", spread(ours), f"{spread(reference)} {of}", f"≤ {most} ×", ratio <= most)


def ms(seconds):
    return f"{seconds * 1000:.0f} ms"


def spread(values):
    values = sorted(values)
    return f"{ms(statistics.median(values))} ({ms(values[0])}…{ms(values[-1])})"


def medians(timings):
    """The medians of several readings of the same steps, each a mapping of a step's name to its milliseconds."""
    names = list(dict.fromkeys(name for timing in timings for name in timing))
    return " · ".join(f"{name} {statistics.median(timing.get(name, 0) for timing in timings):.0f}" for name in names)


def table():
    print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores (figures of a busy machine say little)")
    widths = [max(len(row[column]) for row in [("figure", "ours", "reference", "bar", "")] + ROWS) for column in range(5)]
    for cells in [("figure", "ours", "reference", "bar", "")] + ROWS:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip())


def is_missed():
    return any(row[4] == "MISSED" for row in ROWS)
