"""COSE receipts (RFC 9942) judged by the package scitt-cose: inclusion of logged tokens, and mutated copies.

With --self-test no server is needed: receipts are made here by hand, octet for octet as ours should look, so that it is
known what scitt-cose accepts and that the checks below can fail.
"""

import hashlib
import sys

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from scitt_cose import verify_consistency, verify_receipt

import check
import tlog
from tsp import Answer, Reply, imprint, post, query

ALG, KID, CWT_CLAIMS, VDS, VDP = 1, 4, 15, 395, 396
ISSUER, SUBJECT = 1, 2
ES256, RFC9162_SHA256, INCLUSION = -7, 1, -1
# Ours: the tree size under the signature (RFC 9942 leaves it unprotected).
TREE_SIZE = -70962
MEDIA_TYPES = ("application/cose", "application/scitt-receipt+cose")


def thumbprint(key):
    """RFC 9679: SHA-256 of the COSE_Key with the required members alone."""
    numbers = key.public_numbers()
    members = {1: 2, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
    return hashlib.sha256(cbor2.dumps(members, canonical=True)).digest()


def pem_of(key):
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class Receipt:
    """A receipt in its parts, so that one of them can be changed and the rest kept."""

    def __init__(self, protected, proofs, payload, signature):
        self.protected, self.proofs, self.payload, self.signature = protected, proofs, payload, signature

    @classmethod
    def read(cls, data):
        tag = cbor2.loads(data)
        assert tag.tag == 18, f"tag {tag.tag}, COSE_Sign1 is 18"
        protected, unprotected, payload, signature = tag.value
        assert set(unprotected) == {VDP} and set(unprotected[VDP]) == {INCLUSION}, f"unprotected: {unprotected}"
        return cls(protected, list(unprotected[VDP][INCLUSION]), payload, signature)

    def bytes(self, **changes):
        parts = {**vars(self), **changes}
        return cbor2.dumps(cbor2.CBORTag(18, [parts["protected"], {VDP: {INCLUSION: parts["proofs"]}}, parts["payload"],
                                              parts["signature"]]))

    def proof(self):
        """(tree size, leaf index, path)."""
        assert len(self.proofs) == 1, f"{len(self.proofs)} proofs"
        size, index, path = cbor2.loads(self.proofs[0])
        return size, index, list(path)


def check_receipt(checks, name, data, entry, key, origin, size, root):
    """One receipt as scitt-cose sees it, what its headers say, and what becomes of it when something is changed."""
    pem = pem_of(key)
    result = verify_receipt(data, leaf_entry_hex=entry.hex(), log_public_key_pem=pem)
    if not checks.that(f"{name}: scitt-cose verifies it", result.ok, "; ".join(result.errors)):
        return
    checks.equal(f"{name}: tree size", result.tree_size, size)
    checks.equal(f"{name}: root", result.root, root.hex())
    checks.equal(f"{name}: subject is the origin", result.subject, origin)
    checks.that(f"{name}: has an issuer", bool(result.issuer))
    receipt = Receipt.read(data)
    header = cbor2.loads(receipt.protected)
    checks.equal(f"{name}: protected labels", sorted(header), sorted([ALG, KID, CWT_CLAIMS, VDS, TREE_SIZE]))
    checks.equal(f"{name}: alg and vds", (header[ALG], header[VDS]), (ES256, RFC9162_SHA256))
    checks.equal(f"{name}: kid is the key's thumbprint", header[KID], thumbprint(key))
    checks.equal(f"{name}: tree size under the signature", header[TREE_SIZE], size)
    checks.that(f"{name}: deterministic", data == receipt.bytes() and
                receipt.protected == cbor2.dumps(header, canonical=True))
    check_mutations(checks, name, receipt, entry, pem)


def check_mutations(checks, name, receipt, entry, pem):
    size, index, path = receipt.proof()

    def flipped(value, at=0):
        value = bytearray(value)
        value[at] ^= 1
        return bytes(value)

    def proof(*parts):
        return [cbor2.dumps(list(parts))]

    header = cbor2.loads(receipt.protected)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    attempts = {
        "another entry": (receipt.bytes(), flipped(entry, -1), pem),
        "another key": (receipt.bytes(), entry, pem_of(other)),
        "a flipped bit of the signature": (receipt.bytes(signature=flipped(receipt.signature)), entry, pem),
        "a flipped bit of the path": (receipt.bytes(proofs=proof(size, index, [flipped(path[0]), *path[1:]])), entry, pem),
        "a longer path": (receipt.bytes(proofs=proof(size, index, [*path, bytes(32)])), entry, pem),
        "a shorter path": (receipt.bytes(proofs=proof(size, index, path[:-1])), entry, pem),
        "another index": (receipt.bytes(proofs=proof(size, index ^ 1, path)), entry, pem),
        "another tree size under the signature":
            (receipt.bytes(protected=cbor2.dumps({**header, TREE_SIZE: size + 1}, canonical=True)), entry, pem),
        "another subject":
            (receipt.bytes(protected=cbor2.dumps({**header, CWT_CLAIMS: {ISSUER: "x", SUBJECT: "y"}}, canonical=True)), entry, pem),
        "the vds unprotected": (receipt.bytes(protected=cbor2.dumps({k: v for k, v in header.items() if k != VDS})), entry, pem),
        "an unknown critical header": (receipt.bytes(protected=cbor2.dumps({**header, 2: [TREE_SIZE]}, canonical=True)), entry, pem),
        "an attached payload": (receipt.bytes(payload=bytes(32)), entry, pem),
        "trailing bytes": (receipt.bytes() + b"\x00", entry, pem),
        "no tag": (receipt.bytes()[1:], entry, pem),
    }
    for what, (data, leaf, key) in attempts.items():
        result = verify_receipt(data, leaf_entry_hex=leaf.hex(), log_public_key_pem=key)
        checks.that(f"{name}: {what} is refused", not result.ok)


def check_known_hole(checks, name, receipt, entry, pem):
    """Pinned as known: the size in the proof is not signed, and a root commits to no size, so a foreign checker accepts
    a neighbouring size wherever the path has the same shape. `semper verify` compares with the protected size."""
    size, index, path = receipt.proof()
    accepted = [other for other in range(max(index + 1, size - 4), size + 5) if other != size and verify_receipt(
        receipt.bytes(proofs=[cbor2.dumps([other, index, path])]), leaf_entry_hex=entry.hex(), log_public_key_pem=pem).ok]
    checks.that(f"{name}: scitt-cose accepts other unprotected sizes, as is known", bool(accepted), str(accepted))
    checks.that(f"{name}: the protected size tells them apart", cbor2.loads(receipt.protected)[TREE_SIZE] not in accepted)


# ---- against a server ---------------------------------------------------------------------------------------------------

def receipt_key(trust):
    """The receipt key as an outsider gets it: a PEM public key, or a certificate that holds it."""
    data = (trust / "receipt.pem").read_bytes()
    if b"BEGIN CERTIFICATE" in data:
        return x509.load_pem_x509_certificate(data).public_key()
    return load_pem_public_key(data)


def get(url, path, accept) -> Answer:
    return post(url, path, None, headers={"Accept": accept}, method="GET")


def main(arguments, checks):
    note_key = tlog.Key.parse((arguments.trust / "ledger.vkey").read_text().strip())
    key = receipt_key(arguments.trust)
    checks.that("the receipt key is on P-256", isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1")
    proofs = []
    for number in range(12):
        reply = Reply(post(arguments.url, "/tsa", query(imprint(b"document %d" % number))).body)
        digest = hashlib.sha256(reply.token).hexdigest()
        name = f"receipt of token {number}"
        where = f"/ledger/proof/inclusion?digest={digest}"
        answer = get(arguments.url, where, "application/cose")
        checks.equal(f"{name}: status", answer.status, 200)
        checks.that(f"{name}: Content-Type", answer.header("Content-Type") in MEDIA_TYPES, str(answer.header("Content-Type")))
        checks.equal(f"{name}: the same bytes again", get(arguments.url, where, "application/cose").body, answer.body)
        # The other form of the same receipt names the entry and its root under another key's signature.
        proof = tlog.Proof.open(get(arguments.url, where, "text/plain").body.decode(), note_key)
        point = proof.checkpoint
        check_receipt(checks, name, answer.body, proof.entry, key, note_key.name, point.size, point.root)
        proofs.append(point)
    for old, new in zip(proofs, proofs[1:]):
        if old.size < new.size:
            lines = get(arguments.url, f"/ledger/proof/consistency?from={old.size}&to={new.size}", "text/plain").body.decode()
            path = [tlog.b64(line).hex() for line in lines.splitlines()]
            holds = verify_consistency(old.root.hex(), new.root.hex(), old.size, new.size, path)
            checks.that(f"consistency from {old.size} to {new.size}: scitt-cose verifies it", holds is True)


# ---- without one --------------------------------------------------------------------------------------------------------

def by_hand(key, leaves, index, issuer, origin):
    """A receipt made here from nothing but RFC 9942, RFC 9052 and a Merkle tree; signed r ‖ s as COSE wants it."""
    def path(low, high):
        if high - low == 1:
            return []
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        if index < middle:
            return [*path(low, middle), tlog.tree_hash(leaves[middle:high])]
        return [*path(middle, high), tlog.tree_hash(leaves[low:middle])]

    size, root = len(leaves), tlog.tree_hash(leaves)
    protected = cbor2.dumps({ALG: ES256, KID: thumbprint(key.public_key()), CWT_CLAIMS: {ISSUER: issuer, SUBJECT: origin},
                             VDS: RFC9162_SHA256, TREE_SIZE: size}, canonical=True)
    signed = cbor2.dumps(["Signature1", protected, b"", root])
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    receipt = Receipt(protected, [cbor2.dumps([size, index, path(0, size)])], None, r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return receipt, root


def self_test(checks):
    key = ec.generate_private_key(ec.SECP256R1())
    public, origin = key.public_key(), "log.example/ours"
    for size in (2, 3, 7, 8, 13):
        entries = [bytes([size, number]) * 24 for number in range(size)]
        leaves = [tlog.leaf_hash(entry) for entry in entries]
        for index in range(size):
            receipt, root = by_hand(key, leaves, index, "https://issuer.example", origin)
            name = f"by hand, index {index} of {size}"
            check_receipt(checks, name, receipt.bytes(), entries[index], public, origin, size, root)
    # ledger.md §1: a valid path for index 3 of 7 leaves passes for 5, 6 and 8 too.
    entries = [bytes([number]) for number in range(7)]
    receipt, _ = by_hand(key, [tlog.leaf_hash(entry) for entry in entries], 3, "i", origin)
    check_known_hole(checks, "by hand", receipt, entries[3], pem_of(public))


if __name__ == "__main__":
    if "--self-test" in sys.argv[1:]:
        all_checks = check.Checks()
        self_test(all_checks)
        print(f"{all_checks.passed} passed, {all_checks.failed} failed")
        sys.exit(0 if all_checks.failed == 0 and all_checks.passed > 0 else 1)
    check.run(main)
