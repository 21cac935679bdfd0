"""The token, byte by byte: RFC 3161, RFC 5816, RFC 5652 and EN 319 422 as an own reader sees them.

Other strangers say that a token verifies; most of them forgive what strict clients do not (order of SET OF, optional
fields, certificates nobody asked for). This one forgives nothing.
"""

import datetime
import hashlib
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.serialization import Encoding

import check
from der import OCTET_STRING, SET, context, integer, octets, oid, sequence, tlv
from tsp import Reply, Token, imprint, post, query

SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE_V2, ALGORITHM_PROTECTION = "1.2.840.113549.1.9.16.2.47", "1.2.840.113549.1.9.52"
SHA256 = sequence(oid("2.16.840.1.101.3.4.2.1"))
ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"))
RSA_SHA256 = sequence(oid("1.2.840.113549.1.1.11"), b"\x05\x00")
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# No fraction, or one to three digits of which the last is not zero; always UTC, always seconds.
GENERAL_TIME = re.compile(rb"\d{14}(\.\d{0,2}[1-9])?Z")
# The machine's clock and the server's are the same one; the rest is the time a request takes on a loaded machine.
CLOCK_SLACK = datetime.timedelta(seconds=10)


def chain_of(trust):
    return x509.load_pem_x509_certificates((trust / "tsa-chain.pem").read_bytes())


def der_of(certificate):
    return certificate.public_bytes(Encoding.DER)


def check_tst_info(checks, name, token, sent_imprint, sent_nonce, asked_at):
    checks.equal(f"{name}: TSTInfo version", token.tst_version.raw, integer(1))
    checks.equal(f"{name}: imprint", token.imprint.raw, sent_imprint)
    serial = token.serial.int()
    checks.that(f"{name}: serial positive, at most 160 bits", 0 < serial < 2**160, hex(serial))
    checks.that(f"{name}: serial holds randomness", bin(serial & (2**96 - 1)).count("1") > 16, hex(serial))
    text = token.gen_time.expect(0x18).body
    if checks.that(f"{name}: form of genTime", GENERAL_TIME.fullmatch(text), repr(text)):
        moment = datetime.datetime.strptime(text[:14].decode() + "+0000", "%Y%m%d%H%M%S%z")
        checks.that(f"{name}: genTime is now", abs(moment - asked_at) < CLOCK_SLACK, f"{moment} against {asked_at}")
    if checks.that(f"{name}: accuracy present", token.accuracy is not None):
        check_accuracy(checks, name, token.accuracy)
    checks.that(f"{name}: ordering left out", token.ordering is None)
    checks.equal(f"{name}: nonce", token.nonce.raw if token.nonce else None, sent_nonce)
    checks.that(f"{name}: extensions left out under a test policy", token.extensions is None)


def check_accuracy(checks, name, accuracy):
    """At most 1 s; no zero component; millis and micros 1..999."""
    micros, last = 0, -1
    for field in accuracy.children():
        order = {0x02: 0, context(0, False): 1, context(1, False): 2}[field.tag]
        value = int.from_bytes(field.body, "big", signed=True)
        checks.that(f"{name}: accuracy component {order}", order > last and 1 <= value <= 999, str(value))
        micros, last = micros + value * 1000 ** (2 - order), order
    checks.that(f"{name}: accuracy 1 s or better", 0 < micros <= 1_000_000, str(micros))


def check_signed_data(checks, name, token, signer, chain, cert_req):
    checks.equal(f"{name}: content type", token.content_type.raw, oid(SIGNED_DATA))
    checks.equal(f"{name}: SignedData version", token.version, 3)
    checks.equal(f"{name}: digestAlgorithms", token.digest_algorithms.raw, tlv(SET, SHA256))
    checks.equal(f"{name}: eContentType", token.content_type_inner.raw, oid(TST_INFO))
    checks.that(f"{name}: no crls", token.crls is None)
    checks.equal(f"{name}: signerInfos", len(token.signer_infos), 1)
    checks.that(f"{name}: certificates exactly when asked for", (token.certificates is not None) == cert_req)
    if token.certificates is not None:
        sent = [element.raw for element in token.certificates.children()]
        checks.equal(f"{name}: certificates in DER order", sent, sorted(sent))
        issuer = next((c for c in chain if c.subject == signer.issuer), None)
        wanted = sorted(der_of(c) for c in (signer, issuer) if c is not None)
        checks.equal(f"{name}: certificates are the signer's and its issuer's", sent, wanted)


def check_signer_info(checks, name, token, signer):
    version, sid, digest_algorithm, attributes, signature_algorithm, signature, *rest = token.signer_infos[0].children()
    issuer_and_serial = sequence(signer.issuer.public_bytes(), integer(signer.serial_number))
    is_ec = isinstance(signer.public_key(), ec.EllipticCurvePublicKey)
    algorithm = ECDSA_SHA256 if is_ec else RSA_SHA256
    checks.that(f"{name}: no unsigned attributes", not rest)
    checks.equal(f"{name}: SignerInfo version", version.raw, integer(1))
    checks.equal(f"{name}: sid", sid.raw, issuer_and_serial)
    checks.equal(f"{name}: digestAlgorithm", digest_algorithm.raw, SHA256)
    checks.equal(f"{name}: signatureAlgorithm", signature_algorithm.raw, algorithm)

    found = [attribute.raw for attribute in attributes.expect(context(0)).children()]
    checks.equal(f"{name}: signed attributes in DER order", found, sorted(found))
    general_names = sequence(tlv(context(4), signer.issuer.public_bytes()))
    ess_cert_id = sequence(octets(hashlib.sha256(der_of(signer)).digest()),
                           sequence(general_names, integer(signer.serial_number)))
    wanted = {
        CONTENT_TYPE: oid(TST_INFO),
        MESSAGE_DIGEST: octets(hashlib.sha256(token.tst_info_der).digest()),
        SIGNING_CERTIFICATE_V2: sequence(sequence(ess_cert_id)),
        # signatureAlgorithm is [1] IMPLICIT: the same contents under another identifier octet.
        ALGORITHM_PROTECTION: sequence(SHA256, bytes([context(1)]) + algorithm[1:]),
    }
    wanted = {sequence(oid(number), tlv(SET, value)): number for number, value in wanted.items()}
    for attribute, number in wanted.items():
        checks.that(f"{name}: attribute {number}", attribute in found, lambda: " / ".join(f.hex() for f in found))
    checks.equal(f"{name}: number of signed attributes", len(found), len(wanted))

    signed = bytes([SET]) + attributes.raw[1:]
    value = signature.expect(OCTET_STRING).body
    if is_ec:
        signer.public_key().verify(value, signed, ec.ECDSA(hashes.SHA256()))
        _, s = utils.decode_dss_signature(value)
        checks.that(f"{name}: s is at most half the order", s <= P256_ORDER // 2, hex(s))
    else:
        signer.public_key().verify(value, signed, padding.PKCS1v15(), hashes.SHA256())
        checks.that(f"{name}: RSA of at least 3,000 bits", signer.public_key().key_size >= 3000)
    checks.that(f"{name}: signature verifies", True)


def check_tsu_certificate(checks, name, certificate):
    """What verifiers demand of a TSU certificate; each rule was found by a client that refuses."""
    find = certificate.extensions.get_extension_for_class
    usage = find(x509.ExtendedKeyUsage)
    checks.that(f"{name}: EKU critical", usage.critical)
    checks.equal(f"{name}: EKU timeStamping alone", [u.dotted_string for u in usage.value], ["1.3.6.1.5.5.7.3.8"])
    key_usage = find(x509.KeyUsage)
    checks.that(f"{name}: keyUsage critical, digitalSignature", key_usage.critical and key_usage.value.digital_signature)
    checks.that(f"{name}: keyUsage nothing that encrypts or certifies", not (
        key_usage.value.key_encipherment or key_usage.value.data_encipherment or key_usage.value.key_agreement or
        key_usage.value.key_cert_sign or key_usage.value.crl_sign))
    try:
        checks.that(f"{name}: not a CA", not find(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        checks.that(f"{name}: not a CA", True)
    for kind in (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier, x509.CRLDistributionPoints,
                 x509.AuthorityInformationAccess, x509.CertificatePolicies, x509.PrivateKeyUsagePeriod):
        try:
            find(kind)
            checks.that(f"{name}: has {kind.__name__}", True)
        except x509.ExtensionNotFound:
            checks.that(f"{name}: has {kind.__name__}", False)


def main(arguments, checks):
    chain = chain_of(arguments.trust)
    signers = {}
    for path in ("/tsa", "/tsa/rsa"):
        for cert_req in (False, True):
            for nonce in (None, integer(2**64 + 1)):
                name = f"{path} certReq {cert_req}, {'nonce' if nonce else 'no nonce'}"
                sent = imprint(b"a document")
                asked_at = datetime.datetime.now(datetime.timezone.utc)
                token = Token(Reply(post(arguments.url, path, query(sent, cert_req=cert_req, nonce=nonce)).body).token)
                [_, sid, *_] = token.signer_infos[0].children()
                signer = next((c for c in chain if sequence(c.issuer.public_bytes(), integer(c.serial_number)) == sid.raw), None)
                if not checks.that(f"{name}: signer is in tsa-chain.pem", signer is not None):
                    continue
                signers[path] = signer
                check_tst_info(checks, name, token, sent, nonce, asked_at)
                check_signed_data(checks, name, token, signer, chain, cert_req)
                check_signer_info(checks, name, token, signer)
    for path, signer in signers.items():
        check_tsu_certificate(checks, f"certificate of {path}", signer)
    checks.equal("the two endpoints sign with different keys", len(set(signers.values())), 2)
    ec_key, rsa_key = (signers[path].public_key() for path in ("/tsa", "/tsa/rsa"))
    checks.that("/tsa signs with P-256", isinstance(ec_key, ec.EllipticCurvePublicKey) and ec_key.curve.name == "secp256r1")
    checks.that("/tsa/rsa signs with RSA", not isinstance(rsa_key, ec.EllipticCurvePublicKey))


if __name__ == "__main__":
    check.run(main)
