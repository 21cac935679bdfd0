"""A witness of its own kind, written from c2sp.org/tlog-witness and tlog-cosignature alone: it cosigns what continues what
it has seen. Prints one line `witness PORT VKEY` when it listens, then one for each answer, `answered STATUS`; ends with its
standard input.

Key and memory are in the file --state. It is not synced: good for a test, and for nothing else."""

import argparse
import base64
import hashlib
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import tlog


class Refused(Exception):
    def __init__(self, status, text="", kind="text/plain"):
        super().__init__(text)
        self.status, self.text, self.kind = status, text, kind


class Witness:
    """One name, one key, one log."""

    def __init__(self, name, log, state):
        self.name, self.log, self.state = name, log, state
        seed, self.note = Ed25519PrivateKey.generate().private_bytes_raw(), None
        self.size, self.root = 0, hashlib.sha256(b"").digest()
        if state.exists():
            kept = json.loads(state.read_text())
            seed, self.note = bytes.fromhex(kept["seed"]), kept["note"]
        if self.note:
            checkpoint = tlog.Checkpoint.open(self.note, log)
            self.size, self.root = checkpoint.size, checkpoint.root
        self.seed, self.key = seed, Ed25519PrivateKey.from_private_bytes(seed)
        data = bytes([tlog.COSIGNATURE_V1]) + self.key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{base64.b64encode(data).decode()}"
        self.lock = threading.Lock()
        self.remember()

    def remember(self):
        new = self.state.with_suffix(".new")
        new.write_text(json.dumps({"seed": self.seed.hex(), "note": self.note}))
        new.replace(self.state)

    def add_checkpoint(self, body):
        head, separator, note = body.partition("\n\n")
        lines = head.split("\n")
        form = re.fullmatch("old (0|[1-9][0-9]*)", lines[0])
        if not separator or not form or len(lines) > 64:
            raise Refused(400)
        if note.split("\n")[0] != self.log.name:
            raise Refused(404)
        try:
            old, proof = int(form[1]), [tlog.b64(line) for line in lines[1:]]
            checkpoint = tlog.Checkpoint.open(note, self.log)
        except (tlog.Bad, ValueError):
            raise Refused(403) from None
        if old > checkpoint.size:
            raise Refused(400)
        with self.lock:
            if old != self.size:
                raise Refused(409, f"{self.size}\n", "text/x.tlog.size")
            try:
                tlog.verify_consistency(old, checkpoint.size, proof, self.root, checkpoint.root)
            except tlog.Bad as bad:
                raise Refused(422, f"{bad}\n") from None
            text = note[:note.rindex("\n\n") + 1]
            seconds = int(time.time())
            signature = self.key.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
            value = base64.b64encode(self.id + seconds.to_bytes(8, "big") + signature).decode()
            line = f"— {self.name} {value}\n"
            self.size, self.root, self.note = checkpoint.size, checkpoint.root, note + line
            self.remember()
            return line

    def checkpoint(self, path):
        if path != f"/{hashlib.sha256(self.log.name.encode()).hexdigest()}/checkpoint" or self.note is None:
            raise Refused(404)
        return self.note


def handler(witness):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, make):
            try:
                status, text, kind = 200, make(), "text/plain"
            except Refused as refused:
                status, text, kind = refused.status, refused.text, refused.kind
            print(f"answered {status}", flush=True)
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.answer(lambda: witness.add_checkpoint(body))

        def do_GET(self):
            self.answer(lambda: witness.checkpoint(self.path))

        def log_message(self, *_):
            pass

    return Handler


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--log", required=True, help="the log's verifier key")
    parser.add_argument("--state", required=True, type=Path, help="its memory, a file")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    arguments = parser.parse_args()
    made = Witness(arguments.name, tlog.Key.parse(arguments.log), arguments.state)
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), handler(made))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"witness {server.server_address[1]} {made.vkey}", flush=True)
    sys.stdin.read()
