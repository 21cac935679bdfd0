"""Audits a log as files: a static copy that `semper export` wrote and any web server serves, or the server's own.
Signature, every entry, every tile, the root. Under the checkpoint that is served, or under an older one that a reader
still holds."""

import gzip
import http.client
import sys
from pathlib import Path
from urllib.parse import urlsplit

import check
import tlog
from tlog import Checkpoint, Key, tile_path
from tlog_audit import check_entries


class Files:
    """GETs below the log's prefix, on one connection where the server keeps it."""

    def __init__(self, url):
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connection = kind(parts.hostname, parts.port, timeout=30)
        self.prefix = parts.path

    def get(self, path):
        self.connection.request("GET", f"{self.prefix}/{path}")
        response = self.connection.getresponse()
        body = response.read()
        encoding = response.getheader("Content-Encoding")
        assert encoding in (None, "gzip"), f"GET {path}: encoded as {encoding}"
        return response.status, gzip.decompress(body) if encoding else body

    def body(self, path):
        status, body = self.get(path)
        assert status == 200, f"GET {path}: {status}"
        return body


def read_entries(checks, files, size):
    entries = []
    for number, width in tlog.tile_widths(size, 0):
        found = tlog.split_bundle(files.body(tile_path("entries", number, width)))
        checks.equal(f"bundle {number}: entries", len(found), width)
        entries += found
    return entries


def check_tiles(checks, files, leaves):
    """Every tile of every level is computed from the leaves and compared; returns the root."""
    level, hashes = 0, leaves
    while hashes:
        for number, width in tlog.tile_widths(len(hashes), 0):
            wanted = b"".join(hashes[number * tlog.TILE_WIDTH:][:width])
            checks.equal(f"tile {level}/{number} of width {width}", files.body(tile_path(level, number, width)), wanted)
        full = len(hashes) // tlog.TILE_WIDTH
        hashes = [tlog.tree_hash(hashes[i * tlog.TILE_WIDTH:][:tlog.TILE_WIDTH]) for i in range(full)]
        level += 1
    return tlog.tree_hash(leaves)


def check_beyond(checks, files, size):
    """Nothing is there that the checkpoint does not speak of, nor in another spelling."""
    last, width = tlog.tile_widths(size, 0)[-1]
    for kind in (0, "entries"):
        beyond = [(last + 1, tlog.TILE_WIDTH), (last + 1, 1)]
        beyond += [(last, tlog.TILE_WIDTH), (last, width + 1)] if width < tlog.TILE_WIDTH - 1 else []
        for number, wide in beyond:
            path = tile_path(kind, number, wide)
            checks.equal(f"no such resource: {path}", files.get(path)[0], 404)
    for path in ("tile/0/0", "tile/0/000.p/0", "tile/0/000.p/256", "tile/63/000"):
        checks.equal(f"no such resource: {path}", files.get(path)[0], 404)


def main(arguments, checks):
    key = Key.parse((arguments.trust / "ledger.vkey").read_text().strip())
    files = Files(arguments.url)
    status, _ = files.get("checkpoint")
    if status != 200:
        sys.exit(f"{arguments.url}/checkpoint: status {status}. --url is the log's prefix, such as https://…/ledger")
    served = Checkpoint.open(files.body("checkpoint").decode(), key)
    checks.that("checkpoint: signed by the log's key", True)
    checkpoint = served
    if arguments.checkpoint:
        checkpoint = Checkpoint.open(arguments.checkpoint.read_text(), key)
        checks.that("the older checkpoint: smaller than the served one", checkpoint.size < served.size)
    checks.that("the log is long enough for full tiles", checkpoint.size > tlog.TILE_WIDTH, str(checkpoint.size))
    entries = read_entries(checks, files, checkpoint.size)
    check_entries(checks, entries)
    root = check_tiles(checks, files, [tlog.leaf_hash(entry) for entry in entries])
    checks.equal("the root over all entries is the checkpoint's", root, checkpoint.root)
    if not arguments.checkpoint:
        check_beyond(checks, files, served.size)


def options(parser):
    parser.add_argument("--checkpoint", type=Path, help="audit under this older checkpoint of the same folder")


if __name__ == "__main__":
    check.run(main, extra=options)
