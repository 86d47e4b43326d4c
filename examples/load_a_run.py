"""What a finished run found, from its folder: python examples/load_a_run.py reports/mine"""

from __future__ import annotations

import sys

import auditor


def say(line: str) -> None:
    """One line."""
    sys.stdout.write(line + "\n")


def main(folder: str) -> None:
    """Print the answer, what must be known first, and the verdicts with where the harm came from."""
    run = auditor.load(folder)
    say(run.summary().headline)
    for caution in run.cautions:
        say(f"Caution: {caution}")
    for one in run.verdicts():
        level = "no estimate" if one.estimate is None else f"{one.estimate:+.2f} {one.unit}"
        origin = f", {one.origin}" if one.origin else ""
        say(f"{one.probe}: {one.identity}: {level}, {one.verdict}{origin}")
    say("An audit finds evidence of harm on the probes it was given; it never certifies that a model is fair.")


if __name__ == "__main__":
    main(sys.argv[1])
