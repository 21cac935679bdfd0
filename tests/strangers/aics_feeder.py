"""A log by the package aics-tlog, shown to a witness by the client of aics-witness, which verifies every cosignature it gets:
sizes around tiles and powers of two, a client that forgot what the witness knows, and a log that forks.

The witness must know the log before it starts: without --url the log's key is printed, and that is all."""

import argparse
import sys

from aics_tlog import Checkpoint, MerkleTree, format_vkey, parse_note, parse_vkey, sign_checkpoint, verify_checkpoint, \
    vkey_from_ed25519
from aics_witness import WitnessClient, WitnessRejected, merge_cosignatures
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from check import Checks

ORIGIN = "theirs.example/aics"
# A key that anybody may know: the log is of one test.
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VKEY = vkey_from_ed25519(ORIGIN, KEY.public_key())


class Log:
    def __init__(self, fork_at=None):
        self.leaves = [f"{'other ' if fork_at is not None and n >= fork_at else ''}leaf {n}".encode() for n in range(600)]
        self.tree = MerkleTree(self.leaves)

    def note(self, size):
        checkpoint = Checkpoint(ORIGIN, size, self.tree.root(size))
        return sign_checkpoint(checkpoint, KEY, ORIGIN).to_bytes()


def run(checks, url, witness_vkey):
    log, witness = Log(), parse_vkey(witness_vkey)
    client = WitnessClient(url, witness)
    sizes = [1, 2, 3, 7, 8, 9, 63, 64, 65, 255, 256, 257, 511, 512, 513]
    for size in sizes + [513]:
        note = merge_cosignatures(log.note(size), client.submit(log.note(size), log.tree.consistency_proof))
        result = verify_checkpoint(parse_note(note), VKEY, [witness], 1, max_age_seconds=60)
        checks.that(f"size {size} is cosigned", result.ok, lambda: repr(result))
    with WitnessClient(url, witness) as forgetful:
        line = forgetful.submit(log.note(520), log.tree.consistency_proof)
        checks.that("a client that forgot the size is told it", line.startswith(f"— {witness.name} "), line)
    forked = Log(fork_at=300)
    for size in (520, 530):
        try:
            client.submit(forked.note(size), forked.tree.consistency_proof, old_size=520)
            checks.that(f"a fork at size {size} is refused", False)
        except WitnessRejected as refused:
            checks.equal(f"a fork at size {size} is refused", refused.status, 422)
    client.submit(log.note(600), log.tree.consistency_proof)
    checks.that("the log goes on", True)
    client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--witness", help="the witness's verifier key")
    arguments = parser.parse_args()
    if arguments.url is None:
        print(format_vkey(VKEY))
        sys.exit(0)
    counted = Checks()
    run(counted, arguments.url, arguments.witness)
    sys.exit(0 if counted.passed and not counted.failed else 1)
