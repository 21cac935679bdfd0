"""Audits the whole log over HTTP as any outsider can: signature, every entry, every tile, the root, proofs, and that no
other spelling of a path is served. Fills the log first, so that there are full and partial tiles to look at."""

import concurrent.futures
import gzip
import hashlib
import http.client
import itertools
import os
import re

import cbor2

import check
import tlog
from tlog import Bad, Checkpoint, Key, Proof, tile_path
from tsp import QUERY, Answer, Reply, imprint, post, query

# How many tokens between two looks at the checkpoint. Enough in all for two full tiles of level 0 and a partial one, whatever `semper init` wrote before.
FILL = (1, 99, 200, 300)
YEAR = 31_536_000
TLOG_PROOF_TYPES = ("text/plain", "text/plain; charset=utf-8")


class Log:
    """GETs below /ledger on one connection."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(*check.host_port(url), timeout=30)

    def get(self, path, **headers):
        self.connection.request("GET", f"/ledger/{path}", headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = self.connection.getresponse()
        return Answer(response, response.read())

    def checkpoint(self, key):
        answer = self.get("checkpoint")
        assert answer.status == 200, f"GET checkpoint: {answer.status}"
        return Checkpoint.open(answer.body.decode(), key)

    def body(self, path, wanted_type):
        """The decoded body of a tile or bundle."""
        answer = self.get(path)
        assert answer.status == 200, f"GET {path}: {answer.status}"
        assert answer.header("Content-Type") == wanted_type, f"GET {path}: {answer.header('Content-Type')}"
        encoding = answer.header("Content-Encoding")
        assert encoding in (None, "gzip"), f"GET {path}: Content-Encoding {encoding}"
        return (gzip.decompress(answer.body) if encoding else answer.body), answer


def fill(url, count):
    """Timestamps that many documents over several connections; returns each token's digest in no order."""
    def work(number):
        connection = http.client.HTTPConnection(*check.host_port(url), timeout=60)
        digests = []
        for _ in range(number):
            connection.request("POST", "/tsa", body=query(imprint(os.urandom(16))), headers={"Content-Type": QUERY})
            response = connection.getresponse()
            reply = Reply(response.read())
            assert reply.status == 0, reply.texts
            digests.append(hashlib.sha256(reply.token).digest())
        connection.close()
        return digests

    workers = 16
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        shares = [count // workers + (i < count % workers) for i in range(workers)]
        return list(itertools.chain.from_iterable(pool.map(work, shares)))


def check_checkpoint_headers(checks, log):
    answer = log.get("checkpoint")
    checks.equal("checkpoint: Content-Type", answer.header("Content-Type"), "text/plain; charset=utf-8")
    control = answer.header("Cache-Control") or ""
    age = re.search(r"max-age=(\d+)", control)
    checks.that("checkpoint: cached a few seconds at most", "no-store" in control or "no-cache" in control or
                (age and int(age[1]) <= 10), control)


def read_entries(checks, log, size):
    """All entries; each bundle is also asked for in several narrower widths when it is the partial one."""
    entries = []
    for number, width in tlog.tile_widths(size, 0):
        data, answer = log.body(tile_path("entries", number, width), "application/octet-stream")
        found = tlog.split_bundle(data)
        checks.equal(f"bundle {number}: entries", len(found), width)
        check_immutable(checks, f"bundle {number}", answer)
        checks.equal(f"bundle {number}: Content-Encoding", answer.header("Content-Encoding"), "gzip")
        entries += found
        if width < tlog.TILE_WIDTH:
            for narrow in sorted({1, width // 2, width - 1} - {0, width}):
                cut, _ = log.body(tile_path("entries", number, narrow), "application/octet-stream")
                checks.equal(f"bundle {number} of width {narrow}: a prefix", tlog.split_bundle(cut), found[:narrow])
    return entries


def check_immutable(checks, name, answer):
    control = answer.header("Cache-Control") or ""
    age = re.search(r"max-age=(\d+)", control)
    checks.that(f"{name}: immutable and cached long", "immutable" in control and age and int(age[1]) >= YEAR // 52, control)


def check_entries(checks, entries):
    """What the public layout of an entry promises: deterministic CBOR, rising time, tags in order and never twice."""
    last, tags = 0, set()
    for index, entry in enumerate(entries):
        value = cbor2.loads(entry)
        version, role, kind, time_ms, digest, own_tags = value
        good = (version == 1 and all(isinstance(n, int) and n >= 0 for n in (role, kind, time_ms)) and
                isinstance(digest, bytes) and len(digest) == 32 and len(own_tags) <= 4 and
                all(isinstance(tag, bytes) and len(tag) == 32 for tag in own_tags) and
                list(own_tags) == sorted(set(own_tags)) and cbor2.dumps(value, canonical=True) == entry)
        if not good:
            checks.that(f"entry {index}: well formed", False, entry.hex())
        if time_ms < last:
            checks.that(f"entry {index}: time does not fall", False, f"{time_ms} after {last}")
        if tags & set(own_tags):
            checks.that(f"entry {index}: no tag twice", False, entry.hex())
        last = time_ms
        tags |= set(own_tags)
    checks.that("entries: all well formed, times never fall, no tag twice", True)


def check_tiles(checks, log, leaves):
    """Every tile of every level is computed from the leaves and compared; returns the root."""
    level, hashes = 0, leaves
    while hashes:
        for number, width in tlog.tile_widths(len(hashes), 0):
            wanted = b"".join(hashes[number * tlog.TILE_WIDTH:][:width])
            name = f"tile {level}/{number}"
            data, answer = log.body(tile_path(level, number, width), "application/octet-stream")
            checks.equal(f"{name} of width {width}", data, wanted)
            check_immutable(checks, name, answer)
            if width < tlog.TILE_WIDTH:
                for narrow in sorted({1, width // 2, width - 1} - {0, width}):
                    cut, _ = log.body(tile_path(level, number, narrow), "application/octet-stream")
                    checks.equal(f"{name} of width {narrow}: a prefix", cut, wanted[:32 * narrow])
                checks.equal(f"{name} of width {width}: not yet full", log.get(tile_path(level, number)).status, 404)
        full = len(hashes) // tlog.TILE_WIDTH
        hashes = [tlog.tree_hash(hashes[i * tlog.TILE_WIDTH:][:tlog.TILE_WIDTH]) for i in range(full)]
        level += 1
    for beyond in (level, 8, 63):
        checks.equal(f"tile {beyond}/0: there is none", log.get(tile_path(beyond, 0)).status, 404)
    return tlog.tree_hash(leaves)


def check_paths(checks, log, size):
    """One spelling for each resource, and nothing beyond the end."""
    last, width = tlog.tile_widths(size, 0)[-1]
    beyond = [tile_path(kind, last + 1) for kind in (0, "entries")]
    beyond += [tile_path(kind, last + 1, 1) for kind in (0, "entries")] + ["tile/0/x999/999", "tile/entries/x999/x999/999"]
    if width < tlog.TILE_WIDTH - 1:
        beyond += [tile_path(kind, last, 255) for kind in (0, "entries")]
    numbers = ["0", "00", "0000", "x000/000", "000/000", "x000000", "X000/000", "-01", "+00", "0x0", "000/", "000.p", "000.p/",
               "000.p/0", "000.p/00", "000.p/01", "000.p/001", "000.p/256", "000.p/257", "000.p/-1", "000.p/1/", "000.p/x",
               "000.p/1.p/1", "000.P/1", "000p/1", "000.gz", "x001", "001/000", "99999999999999999999999", ""]
    wrong = [f"tile/{kind}/{number}" for kind in ("0", "entries") for number in numbers]
    wrong += [f"tile/{level}/000" for level in ("00", "01", "-1", "64", "256", "+0", "x", "Entries", "entry", "")]
    wrong += ["tile", "tile/", "tile/0", "checkpoint/", "Checkpoint", ""]
    for path in beyond + wrong:
        answer = log.get(path)
        checks.equal(f"no such resource: {path!r}", answer.status, 404)
        checks.that(f"no such resource: {path!r}: not cached for long",
                    "immutable" not in (answer.header("Cache-Control") or ""))


def check_inclusion(checks, log, key, entries, digests):
    step = max(1, len(entries) // 40)
    around = {0, 1, 255, 256, 257, 511, 512, len(entries) - 1}
    for index in sorted(around | set(range(0, len(entries), step))):
        if index < len(entries):
            answer = log.get(f"proof/inclusion?index={index}", Accept="text/plain")
            proof = open_proof(checks, f"inclusion of index {index}", answer, key)
            checks.that(f"inclusion of index {index}: that entry", proof and (proof.index, proof.entry) == (index, entries[index]))
    for digest in digests[:25]:
        name = f"inclusion of digest {digest.hex()[:12]}"
        answer = log.get(f"proof/inclusion?digest={digest.hex()}", Accept="text/plain")
        proof = open_proof(checks, name, answer, key)
        if proof:
            checks.equal(f"{name}: the entry holds it", cbor2.loads(proof.entry)[4], digest)
            checks.equal(f"{name}: the entry is in the log there", proof.entry, entries[proof.index])
            again = log.get(f"proof/inclusion?digest={digest.hex()}", Accept="text/plain")
            checks.equal(f"{name}: the same bytes again", again.body, answer.body)
    for parameters in (f"digest={'00' * 32}", f"index={10**15}"):
        checks.equal(f"inclusion of {parameters[:20]!r}: there is none", log.get(f"proof/inclusion?{parameters}").status, 404)
    for parameters in ("digest=00", "digest=zz", f"digest={'0g' * 32}", f"digest={'00' * 33}", "index=-1", "index=x",
                       f"index={2**64}", "index=", "", f"index=0&digest={'00' * 32}"):
        checks.equal(f"inclusion of {parameters[:25]!r}: a bad request", log.get(f"proof/inclusion?{parameters}").status, 400)


def open_proof(checks, name, answer, key):
    """A verified tlog-proof, or None."""
    if not checks.equal(f"{name}: status", answer.status, 200):
        return None
    checks.that(f"{name}: Content-Type", answer.header("Content-Type") in TLOG_PROOF_TYPES, answer.header("Content-Type"))
    try:
        proof = Proof.open(answer.body.decode(), key)
        checks.that(f"{name}: proven", True)
        return proof
    except (Bad, ValueError) as error:
        checks.that(f"{name}: proven", False, f"{error}\n{answer.body.decode(errors='replace')}")
        return None


def check_consistency(checks, log, leaves, seen):
    """Between sizes for which a checkpoint was published, and between any others: the answer is one base64 hash a line."""
    size = len(leaves)
    sizes = sorted({1, 2, 3, 7, 8, 255, 256, 257, 511, 512, size - 1, size, *(s for s, _ in seen)} & set(range(1, size + 1)))
    roots = {n: tlog.tree_hash(leaves[:n]) for n in sizes}
    for published, root in seen:
        checks.equal(f"checkpoint once seen at size {published}: the same root still", roots[published], root)
    for old, new in itertools.combinations_with_replacement(sizes, 2):
        name = f"consistency from {old} to {new}"
        answer = log.get(f"proof/consistency?from={old}&to={new}", Accept="text/plain")
        if not checks.equal(f"{name}: status", answer.status, 200):
            continue
        try:
            path = [tlog.b64(line) for line in answer.body.decode().splitlines()]
            tlog.verify_consistency(old, new, path, roots[old], roots[new])
            checks.that(name, True)
        except (Bad, ValueError) as error:
            checks.that(name, False, f"{error}\n{answer.body!r}")
    for parameters in ("from=2&to=1", "from=1", "to=2", "from=x&to=2", "from=-1&to=2", ""):
        status = log.get(f"proof/consistency?{parameters}").status
        checks.equal(f"consistency with {parameters!r}: a bad request", status, 400)
    status = log.get(f"proof/consistency?from=1&to={10**15}").status
    checks.that("consistency with a size that is not reached yet: refused", status in (400, 404), str(status))


def main(arguments, checks):
    key = Key.parse((arguments.trust / "ledger.vkey").read_text().strip())
    checks.that("ledger.vkey: a well-formed key with the right id", True)
    log = Log(arguments.url)
    digests, seen = [], []
    for part in FILL:
        digests += fill(arguments.url, part)
        checkpoint = log.checkpoint(key)
        seen.append((checkpoint.size, checkpoint.root))
    checks.that("checkpoints: signed by the log's key, and growing", [s for s, _ in seen] == sorted({s for s, _ in seen}))
    check_checkpoint_headers(checks, log)

    checkpoint = log.checkpoint(key)
    checks.that("genesis and more: at least two entries before the first token", checkpoint.size >= len(digests) + 2)
    entries = read_entries(checks, log, checkpoint.size)
    check_entries(checks, entries)
    checks.that("every token's digest is in the log", set(digests) <= {cbor2.loads(entry)[4] for entry in entries})
    leaves = [tlog.leaf_hash(entry) for entry in entries]
    root = check_tiles(checks, log, leaves)
    checks.equal("the root over all entries is the checkpoint's", root, checkpoint.root)
    check_paths(checks, log, checkpoint.size)
    check_inclusion(checks, log, key, entries, digests)
    check_consistency(checks, log, leaves, seen)
    for path in ("checkpoint", "tile/0/000", "proof/inclusion?index=0"):
        checks.equal(f"POST {path} is refused", post(arguments.url, f"/ledger/{path}", b"").status, 405)


if __name__ == "__main__":
    check.run(main)
