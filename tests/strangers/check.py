"""What every stranger shares: its arguments, one printed line per check, and the exit code.

A stranger exits 0 only when it checked something and everything held. Standard library only.
"""

import argparse
import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import urlsplit


class Checks:
    """Counts and prints; a failed check does not stop the ones after it."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def that(self, name, holds, detail=""):
        """One check. `detail` is printed when it failed; it may be a function, so that it costs nothing otherwise."""
        if holds:
            self.passed += 1
            print(f"ok      {name}", flush=True)
        else:
            self.failed += 1
            text = detail() if callable(detail) else detail
            print(f"FAILED  {name}{': ' if text else ''}{text}", flush=True)
        return bool(holds)

    def equal(self, name, found, wanted):
        """`found` must equal `wanted`; both are printed when not."""
        return self.that(name, found == wanted, lambda: f"found {show(found)}, wanted {show(wanted)}")


def show(value):
    """Bytes as hex, everything else as Python writes it; cut where nobody would read on."""
    text = value.hex(" ") if isinstance(value, (bytes, bytearray)) else repr(value)
    return text if len(text) <= 600 else f"{text[:600]}… ({len(text)} characters)"


class Arguments(argparse.Namespace):
    """`url`: of the plain listener; `trust`: folder with root.pem, tsa-chain.pem, ledger.vkey; `work`: empty folder."""

    url: str
    trust: Path
    work: Path


def run(body, *, extra=None):
    """Parses the arguments, calls `body(arguments, checks)` and ends the process."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--url", required=True, help="plain listener, for example http://127.0.0.1:8080")
    parser.add_argument("--trust", required=True, type=Path, help="folder with root.pem, tsa-chain.pem, ledger.vkey")
    parser.add_argument("--work", required=True, type=Path, help="an empty folder for files made on the way")
    if extra:
        extra(parser)
    arguments = parser.parse_args(namespace=Arguments())
    arguments.url = arguments.url.rstrip("/")
    arguments.work.mkdir(parents=True, exist_ok=True)
    judge(body, arguments)


def judge(body, arguments):
    """Calls `body(arguments, checks)`, whatever the arguments are, and ends the process."""
    checks = Checks()
    try:
        body(arguments, checks)
    except Exception as error:  # noqa: BLE001 - whatever it was, it is a failed check and must be seen
        traceback.print_exc(file=sys.stdout)
        checks.that("runs to its end", False, f"{type(error).__name__}: {error}")
    print(f"{checks.passed} passed, {checks.failed} failed", flush=True)
    sys.exit(0 if checks.failed == 0 and checks.passed > 0 else 1)


def host_port(url):
    """The address of the listener, for raw sockets."""
    parts = urlsplit(url)
    return parts.hostname, parts.port or 80


def command(*words, cwd=None, stdin=b""):
    """Runs a program; returns its exit code and everything it printed, both streams as one text."""
    done = subprocess.run([str(w) for w in words], cwd=cwd, input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, timeout=120)
    return done.returncode, done.stdout.decode("utf-8", "replace")
