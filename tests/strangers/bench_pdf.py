"""pyHanko makes the PDF that `semper bench --area notary` validates, with the certificates that this needs: signatures.py's PKI, other
keys at every run. What was measured so far lies in ops/src/bench/notary/pdf; `tests/tests/judges_signatures.rs` judges what this makes.

Writes contract.pdf, root.der, ca.der and time-root.der into --out."""

import argparse
import logging
import sys
from pathlib import Path

from signatures import Maker
from signatures_pki import Pki


def main():
    """Makes the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, type=Path, help="a folder")
    out = parser.parse_args().out
    logging.disable(logging.CRITICAL)
    pki = Pki()
    for name, entity in (("root", pki.root), ("ca", pki.ca), ("time-root", pki.tsa_root)):
        (out / f"{name}.der").write_bytes(entity.der)
    (out / "contract.pdf").write_bytes(Maker(pki).three_signers())
    return 0


if __name__ == "__main__":
    sys.exit(main())
