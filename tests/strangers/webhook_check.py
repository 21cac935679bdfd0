"""Judges a webhook after the text of Standard Webhooks alone (asymmetric signatures, v1a): the public key as the service
publishes it, the headers as they came, the body from a file. Shares nothing with the server.

usage: webhook_check.py KEY ID TIMESTAMP SIGNATURE FILE"""

import base64
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def main():
    key, identity, timestamp, signatures, file = sys.argv[1:]
    if not key.startswith("whpk_"):
        sys.exit("the key is not a public key")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix("whpk_"), validate=True))
    with open(file, "rb") as opened:
        body = opened.read()
    if "." in identity or str(int(timestamp)) != timestamp:
        sys.exit("id or timestamp is not one")
    message = identity.encode() + b"." + timestamp.encode() + b"." + body
    for signature in signatures.split(" "):
        version, _, value = signature.partition(",")
        if version != "v1a":
            continue
        try:
            public.verify(base64.b64decode(value, validate=True), message)
            print("verified")
            return
        except InvalidSignature:
            pass
    sys.exit("no signature verifies")


main()
