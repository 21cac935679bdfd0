"""Judges a checkpoint as a witness shows it, after the public texts alone: the log's signature, the witness's cosignature, and
the time that it states."""

import argparse
import sys
import time
from pathlib import Path

import tlog
from check import Checks

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--note", required=True, type=Path)
    parser.add_argument("--log", required=True, help="the log's verifier key")
    parser.add_argument("--witness", required=True, help="the witness's verifier key")
    arguments = parser.parse_args()
    checks, note = Checks(), arguments.note.read_text()

    def refused(text, key):
        try:
            return not tlog.cosigned(text, key)
        except tlog.Bad:
            return True

    try:
        log, witness = tlog.Key.parse(arguments.log), tlog.Key.parse(arguments.witness, tlog.COSIGNATURE_V1)
        checkpoint = tlog.Checkpoint.open(note, log)
        checks.that(f"the log signed a tree of {checkpoint.size}", checkpoint.size > 0)
        times = tlog.cosigned(note, witness)
        checks.equal("cosignatures", len(times), 1)
        checks.that("the time is now", all(abs(seconds - time.time()) < 600 for seconds in times), str(times))
        # It can say no.
        size = str(checkpoint.size)
        other = note.replace(f"\n{size}\n", f"\n{checkpoint.size + 1}\n", 1)
        checks.that("the cosignature is of this tree and no other", refused(other, witness))
    except (tlog.Bad, ValueError) as bad:
        checks.that("the note is in order", False, str(bad))
    sys.exit(0 if checks.passed and not checks.failed else 1)
