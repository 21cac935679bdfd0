"""RFC 3161 requests as bytes, answers as bytes, and one way to send them. Standard library only."""

import hashlib
import http.client

from check import host_port
from der import BIT_STRING, INTEGER, SEQUENCE, SET, UTF8_STRING, context, integer, octets, oid, parse, sequence, tlv

QUERY = "application/timestamp-query"
REPLY = "application/timestamp-reply"
NULL_PARAMETERS = b"\x05\x00"
TRUE = b"\x01\x01\xff"

# Everything that must be accepted: name as hashlib knows it → object identifier.
HASHES = {
    "sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2", "sha512": "2.16.840.1.101.3.4.2.3",
    "sha3_256": "2.16.840.1.101.3.4.2.8", "sha3_384": "2.16.840.1.101.3.4.2.9", "sha3_512": "2.16.840.1.101.3.4.2.10",
}

# PKIFailureInfo as the exact DER of its BIT STRING (RFC 3161 §2.4.2): named bits from the most significant, no trailing
# zero bits.
FAIL_INFO = {
    "badAlg": bytes.fromhex("03020780"),
    "badRequest": bytes.fromhex("03020520"),
    "badDataFormat": bytes.fromhex("03020204"),
    "timeNotAvailable": bytes.fromhex("0303010002"),
    "unacceptedPolicy": bytes.fromhex("0303000001"),
    "unacceptedExtension": bytes.fromhex("030407000080"),
    "systemFailure": bytes.fromhex("03050600000040"),
}


def imprint(data=b"document", name="sha256", parameters=NULL_PARAMETERS, *, algorithm=None, digest=None):
    """MessageImprint; `algorithm` and `digest` override what the hash name gives."""
    digest = hashlib.new(name, data).digest() if digest is None else digest
    return sequence(sequence(oid(algorithm or HASHES[name]), parameters), octets(digest))


def query(message_imprint=None, *, version=1, policy=None, nonce=None, cert_req=False, extensions=b""):
    """TimeStampReq. `nonce` is a number, or the whole INTEGER element as bytes."""
    if isinstance(nonce, int):
        nonce = integer(nonce)
    return sequence(
        integer(version), message_imprint or imprint(), oid(policy) if policy else b"", nonce or b"",
        TRUE if cert_req else b"", extensions)


def extension(critical=False, number="1.2.3.4.5"):
    """The extensions field with one extension in it."""
    return tlv(context(0), sequence(oid(number), TRUE if critical else b"", octets(b"\x05\x00")))


class Answer:
    """An HTTP answer, read whole."""

    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.headers = [(name.lower(), value) for name, value in response.getheaders()]

    def header(self, name):
        """The values of a header joined by " | ", so that one sent twice is seen; None when it is absent."""
        values = [value for found, value in self.headers if found == name.lower()]
        return " | ".join(values) if values else None


def post(url, path, body, *, headers=None, method="POST"):
    """One request on a connection of its own. `headers` replaces the usual Content-Type when given."""
    connection = http.client.HTTPConnection(*host_port(url), timeout=30)
    try:
        connection.request(method, path, body=body, headers={"Content-Type": QUERY} if headers is None else headers)
        response = connection.getresponse()
        return Answer(response, response.read())
    finally:
        connection.close()


class Reply:
    """TimeStampResp taken apart: `status`, `texts`, `fail_info` (its DER or None), `token` (DER or None)."""

    def __init__(self, data):
        info, *rest = parse(data).expect(SEQUENCE).children()
        if len(rest) > 1:
            raise ValueError("more than PKIStatusInfo and one token")
        self.token = rest[0].raw if rest else None
        fields = info.expect(SEQUENCE).children()
        self.status = fields.pop(0).int()
        self.texts = []
        if fields and fields[0].tag == SEQUENCE:
            self.texts = [text.expect(UTF8_STRING).body.decode() for text in fields.pop(0).children()]
        self.fail_info = fields.pop(0).expect(BIT_STRING).raw if fields else None
        if fields:
            raise ValueError("unknown field in PKIStatusInfo")


class Token:
    """A TimeStampToken (ContentInfo) taken apart as far as the tests look."""

    def __init__(self, der):
        self.der = der
        self.content_type, wrapped = parse(der).expect(SEQUENCE).children()
        [signed_data] = wrapped.expect(context(0)).children()
        fields = signed_data.expect(SEQUENCE).children()
        self.version = fields.pop(0).int()
        self.digest_algorithms = fields.pop(0).expect(SET)
        self.content_type_inner, explicit = fields.pop(0).expect(SEQUENCE).children()
        [content] = explicit.expect(context(0)).children()
        self.tst_info_der = content.expect(0x04).body
        self.certificates = fields.pop(0) if fields[0].tag == context(0) else None
        self.crls = fields.pop(0) if fields[0].tag == context(1) else None
        self.signer_infos = fields.pop(0).expect(SET).children()
        if fields:
            raise ValueError("unknown field in SignedData")

        # TSTInfo: five fields in fixed order, then those that may be left out.
        fields = parse(self.tst_info_der).expect(SEQUENCE).children()
        self.tst_version, self.policy, self.imprint, self.serial, self.gen_time = fields[:5]
        self.accuracy = self.ordering = self.nonce = self.tsa = self.extensions = None
        names = {SEQUENCE: "accuracy", 0x01: "ordering", INTEGER: "nonce", context(0): "tsa", context(1): "extensions"}
        for field in fields[5:]:
            setattr(self, names[field.tag], field)
