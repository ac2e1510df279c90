"""The long attack: `make attack`. It prints a table of what came of it, and each failure with the seed that repeats it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "helpers")]

COUNTS = {"files": 7500, "frames to clean readings": 4000, "frames to a forecast": 4000, "configurations": 6000}
_MOST_TOLD = 20


def main() -> int:
    """0 where nothing but results and clear words came of it."""
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="number of the first attempt")
    parser.add_argument("--share", type=float, default=1.0, help="share of the usual number of attempts")
    given = parser.parse_args()
    from entrances import attack

    failures: list[str] = []
    print("| entrance | attempts | results | refused in words | failures | longest message | slowest, s | minutes |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, count in COUNTS.items():
        began = time.monotonic()
        tally = attack(name, given.seed, max(1, round(count * given.share)))
        minutes = (time.monotonic() - began) / 60
        print(
            f"| {name} | {tally.attempts:,} | {tally.results:,} | {tally.refused:,} | {len(tally.failures):,} | "
            f"{tally.longest:,} | {tally.slowest_s:.1f} | {minutes:.1f} |",
            flush=True,
        )
        failures += tally.failures
    for words in failures[:_MOST_TOLD]:
        print(words, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
