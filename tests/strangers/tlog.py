"""A reader of transparency logs, written from the public texts alone: RFC 6962 / RFC 9162 for the tree, and C2SP's
signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles and tlog-proof for the rest. Shares nothing with the server."""

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE_WIDTH = 256
ED25519 = 0x01
COSIGNATURE_V1 = 0x04


class Bad(Exception):
    """What was read is not what the public texts say."""


def expect(holds, why):
    if not holds:
        raise Bad(why)


def b64(text):
    """Strict base64: padded, the standard alphabet, and the only spelling of its bytes."""
    data = base64.b64decode(text, validate=True)
    expect(base64.b64encode(data).decode() == text, f"base64 in another spelling: {text!r}")
    return data


# ---- the tree -------------------------------------------------------------------------------------------------------

def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_hash(hashes):
    """The root over `hashes`, which are leaf hashes or the roots of equal, full subtrees."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    level = list(hashes)
    while len(level) > 1:
        # A lone right node moves up unhashed.
        level = [node_hash(*level[i:i + 2]) if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
    return level[0]


def verify_inclusion(index, size, leaf, path, root):
    """RFC 9162 §2.1.3.2."""
    expect(0 <= index < size, f"index {index} outside of size {size}")
    node, last, found = index, size - 1, leaf
    for sibling in path:
        expect(last != 0, "the path is too long")
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    expect(last == 0, "the path is too short")
    expect(found == root, "the path leads to another root")


def verify_consistency(old, new, path, old_root, new_root):
    """RFC 9162 §2.1.4.2."""
    expect(0 <= old <= new, f"sizes {old} and {new}")
    if old == new or old == 0:
        expect(not path, "a path where none is needed")
        expect(old == 0 or old_root == new_root, "two roots of one size")
        return
    expect(path, "an empty path")
    if old & (old - 1) == 0:
        path = [old_root, *path]
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        expect(last != 0, "the path is too long")
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    expect(last == 0, "the path is too short")
    expect(first == old_root, "the path leads to another old root")
    expect(second == new_root, "the path leads to another new root")


# ---- notes and checkpoints --------------------------------------------------------------------------------------------

@dataclass
class Key:
    """A verifier key: `name+hex(id)+base64(type ‖ key)`."""

    name: str
    id: bytes
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, text, kind=ED25519):
        name, id_hex, encoded = text.split("+", 2)  # base64 may hold more of them
        data = b64(encoded)
        expect(data[0] == kind and len(data) == 33, f"not an Ed25519 key of type {kind}")
        key_id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
        expect(key_id.hex() == id_hex, f"key id {id_hex}, computed {key_id.hex()}")
        return cls(name, key_id, Ed25519PublicKey.from_public_bytes(data[1:]))


@dataclass
class Checkpoint:
    """A checkpoint whose signature by `key` was verified."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def open(cls, note, key):
        text, separator, signatures = note.rpartition("\n\n")
        expect(separator and signatures.endswith("\n"), "not a signed note")
        text += "\n"
        expect(all(c == "\n" or c >= " " for c in note), "control characters")
        signed = False
        for line in signatures[:-1].split("\n"):
            form = re.fullmatch("— (\\S+) (\\S+)", line)
            expect(form and "+" not in form[1], f"signature line {line!r}")
            value = b64(form[2])
            if form[1] == key.name and value[:4] == key.id:
                try:
                    key.public.verify(value[4:], text.encode())
                except InvalidSignature:
                    raise Bad("a known key's signature does not verify") from None
                signed = True
        expect(signed, "no signature by the log's key")
        origin, size, root, *extensions = text[:-1].split("\n")
        expect(not extensions, "extension lines, which our log does not write")
        expect(origin == key.name, f"origin {origin!r} under the key of {key.name!r}")
        expect(re.fullmatch("0|[1-9][0-9]*", size), f"size {size!r}")
        expect(len(b64(root)) == 32, "a root of another length")
        return cls(origin, int(size), b64(root))


def cosigned(note, key):
    """The times, in seconds, of the cosignatures that the witness of `key` put on a note; all of them must verify."""
    text, separator, signatures = note.rpartition("\n\n")
    expect(separator and signatures.endswith("\n"), "not a signed note")
    times = []
    for line in signatures[:-1].split("\n"):
        form = re.fullmatch("— (\\S+) (\\S+)", line)
        expect(form, f"signature line {line!r}")
        value = b64(form[2])
        if form[1] != key.name or value[:4] != key.id:
            continue
        expect(len(value) == 4 + 8 + 64, "a cosignature of another length")
        seconds = int.from_bytes(value[4:12], "big")
        try:
            key.public.verify(value[12:], f"cosignature/v1\ntime {seconds}\n{text}\n".encode())
        except InvalidSignature:
            raise Bad("a known witness's cosignature does not verify") from None
        times.append(seconds)
    return times


# ---- tiles ------------------------------------------------------------------------------------------------------------

def tile_path(level, number, width=TILE_WIDTH):
    """`level` is a number, or "entries". The path below the log's prefix."""
    digits = f"{number:d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    path = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{path}" + ("" if width == TILE_WIDTH else f".p/{width}")


def tile_widths(size, level):
    """(number, width) of every tile of that level in a tree of that size."""
    hashes = size // TILE_WIDTH**level
    full = [(number, TILE_WIDTH) for number in range(hashes // TILE_WIDTH)]
    return full + ([(len(full), hashes % TILE_WIDTH)] if hashes % TILE_WIDTH else [])


def split_bundle(data):
    """The entries of a bundle."""
    entries, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 2], "big")
        entries.append(data[at + 2:at + 2 + size])
        at += 2 + size
        expect(at <= len(data), "a truncated bundle")
    return entries


# ---- tlog-proof -------------------------------------------------------------------------------------------------------

@dataclass
class Proof:
    """A tlog-proof that was verified for the entry in its `extra` line."""

    entry: bytes
    index: int
    path: list
    checkpoint: Checkpoint

    @classmethod
    def open(cls, text, key):
        head, separator, note = text.partition("\n\n")
        expect(separator, "no blank line before the checkpoint")
        lines = head.split("\n")
        expect(lines.pop(0) == "c2sp.org/tlog-proof@v1", "another first line")
        expect(lines and lines[0].startswith("extra "), "no extra line, where our log puts the entry")
        entry = b64(lines.pop(0)[len("extra "):])
        form = re.fullmatch("index (0|[1-9][0-9]*)", lines.pop(0))
        expect(form, "no index line")
        path = [b64(line) for line in lines]
        expect(all(len(hash_) == 32 for hash_ in path), "a hash of another length")
        checkpoint = Checkpoint.open(note, key)
        verify_inclusion(int(form[1]), checkpoint.size, leaf_hash(entry), path, checkpoint.root)
        return cls(entry, int(form[1]), path, checkpoint)
