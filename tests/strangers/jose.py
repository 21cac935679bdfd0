"""jwcrypto and joserfc beside our JOSE (exchange-and-disputes §16.5): each reads what we signed and sealed, and makes the same for us.

Reads a JSON document: `signed` [{alg, public, private, jws, payload, header}] and `sealed` [{private, public, jwe, key, header}], keys
in PEM, octets in hex. Prints one line per check on standard error and, on standard output, what both have made of the same payloads:
{"<library>": {"signed": [jws…], "sealed": [jwe…]}}.
"""

import json
import sys

import joserfc.jwe
import joserfc.jws
import jwcrypto.jwe
import jwcrypto.jwk
import jwcrypto.jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

WRAP, SEAL = "ECDH-ES+A256KW", "A256GCM"


class Jwcrypto:
    @staticmethod
    def key(pem):
        return jwcrypto.jwk.JWK.from_pem(pem.encode())

    def verify(self, alg, public, text):
        token = jwcrypto.jws.JWS()
        token.allowed_algs = [alg]
        token.deserialize(text, self.key(public))
        return token.payload, json.loads(token.objects["protected"])

    def sign(self, alg, private, payload, header):
        token = jwcrypto.jws.JWS(payload)
        token.allowed_algs = [alg]
        token.add_signature(self.key(private), protected=json.dumps(header))
        return token.serialize(compact=True)

    def open(self, private, text):
        token = jwcrypto.jwe.JWE(algs=[WRAP, SEAL])
        token.deserialize(text, self.key(private))
        return token.payload

    def seal(self, public, key, header):
        token = jwcrypto.jwe.JWE(key, protected=json.dumps(header), algs=[WRAP, SEAL])
        token.add_recipient(self.key(public))
        return token.serialize(compact=True)


class Joserfc:
    @staticmethod
    def key(alg, pem):
        return {"E": ECKey, "P": RSAKey}[alg[0]].import_key(pem) if alg != "EdDSA" else OKPKey.import_key(pem)

    def verify(self, alg, public, text):
        token = joserfc.jws.deserialize_compact(text, self.key(alg, public), algorithms=[alg])
        return token.payload, token.headers()

    def sign(self, alg, private, payload, header):
        return joserfc.jws.serialize_compact(header, payload, self.key(alg, private), algorithms=[alg])

    def open(self, private, text):
        return joserfc.jwe.decrypt_compact(text, self.key(WRAP, private), algorithms=[WRAP, SEAL]).plaintext

    def seal(self, public, key, header):
        return joserfc.jwe.encrypt_compact(header, key, self.key(WRAP, public), algorithms=[WRAP, SEAL])


def refuses(what):
    try:
        what()
    except Exception:  # whatever it calls it
        return True
    return False


def spoilt(text):
    """The same with another octet in its last part."""
    head, last = text.rsplit(".", 1)
    return f"{head}.{'B' if last[0] == 'A' else 'A'}{last[1:]}"


def main():
    given = json.load(sys.stdin)
    made, failed = {}, 0

    def that(name, holds):
        nonlocal failed
        failed += not holds
        print(f"{'ok     ' if holds else 'FAILED '} {name}", file=sys.stderr, flush=True)

    for library in (Jwcrypto(), Joserfc()):
        name = type(library).__name__.lower()
        made[name] = {"signed": [], "sealed": []}
        for one in given["signed"]:
            alg, payload = one["alg"], bytes.fromhex(one["payload"])
            that(f"{name} verifies our {alg}", library.verify(alg, one["public"], one["jws"]) == (payload, one["header"]))
            that(f"{name} refuses another {alg}", refuses(lambda: library.verify(alg, one["public"], spoilt(one["jws"]))))
            made[name]["signed"].append(library.sign(alg, one["private"], payload, one["header"]))
        for one in given["sealed"]:
            key = bytes.fromhex(one["key"])
            that(f"{name} opens our escrow", library.open(one["private"], one["jwe"]) == key)
            that(f"{name} opens no other", refuses(lambda: library.open(one["private"], spoilt(one["jwe"]))))
            made[name]["sealed"].append(library.seal(one["public"], key, one["header"]))
    json.dump(made, sys.stdout)
    sys.exit(1 if failed or not made else 0)


main()
