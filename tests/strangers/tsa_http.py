"""RFC 3161 over HTTP, octet for octet: every refusal, the nonce, and the rules of HTTP that real clients depend on.

Sends exact bytes and judges exact bytes; knows nothing of the server but its address.
"""

import hashlib
import http.client
import itertools
import socket

import check
from der import INTEGER, NULL, SET, context, integer, octets, oid, sequence, tlv
from tsp import (FAIL_INFO, HASHES, NULL_PARAMETERS, QUERY, REPLY, TRUE, Reply, Token, extension, imprint, post, query)

SHA256 = HASHES["sha256"]
BODY_MAX = 64 * 1024
MD5, SHA1, SHA224 = "1.2.840.113549.2.5", "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.4"


def refusals():
    """(name, body, failInfo): every row of the decision table that a request alone can bring about."""
    good = query(nonce=7)
    digest = hashlib.sha256(b"document").digest()
    algorithm = sequence(oid(SHA256), NULL_PARAMETERS)

    def data_format():
        yield "empty body", b""
        yield "text", b"GET / HTTP/1.1\r\n\r\n"
        yield "zeros", bytes(64)
        yield "a trailing octet", good + b"\x00"
        yield "two requests in one body", good + good
        yield "a truncated request", good[:-1]
        yield "a length beyond the end", b"\x30\x84\xff\xff\xff\xff" + good[2:]
        yield "indefinite length", b"\x30\x80" + good[2:] + b"\x00\x00"
        yield "SET instead of SEQUENCE", bytes([SET]) + good[1:]
        yield "an empty SEQUENCE", sequence()
        yield "no messageImprint", sequence(integer(1))
        yield "no version", sequence(imprint())
        yield "no hashedMessage", query(sequence(algorithm))
        yield "no hashAlgorithm", query(sequence(octets(digest)))
        yield "hashedMessage as BIT STRING", query(sequence(algorithm, tlv(0x03, b"\x00" + digest)))
        yield "version as OCTET STRING", sequence(octets(b"\x01"), imprint())
        yield "an unknown field at the end", sequence(integer(1), imprint(), tlv(context(5), b"\x05\x00"))
        yield "nonce before reqPolicy", sequence(integer(1), imprint(), integer(7), oid("1.2.3"))
        yield "certReq twice", sequence(integer(1), imprint(), TRUE, TRUE)
        yield "certReq with the octet 01", sequence(integer(1), imprint(), b"\x01\x01\x01")
        yield "nonce without contents", query(nonce=tlv(INTEGER))
        yield "hash parameters INTEGER", query(imprint(parameters=integer(0)))
        yield "hash parameters a SEQUENCE", query(imprint(parameters=sequence()))
        yield "hash parameters NULL with contents", query(imprint(parameters=tlv(NULL, b"\x00")))
        for size in (0, 20, 31, 33, 64):
            yield f"SHA-256 of {size} octets", query(imprint(digest=bytes(size)))
        for name, number in HASHES.items():
            wrong = 32 if hashlib.new(name).digest_size != 32 else 48
            yield f"{name} of {wrong} octets", query(imprint(algorithm=number, digest=bytes(wrong)))
        # The largest body that is read at all: it is judged, not refused for its size.
        yield f"{BODY_MAX} octets of zeros", bytes(BODY_MAX)

    def algorithms():
        yield "MD5", query(imprint(algorithm=MD5, digest=bytes(16)))
        yield "SHA-1", query(imprint(algorithm=SHA1, digest=bytes(20)))
        yield "SHA-224", query(imprint(algorithm=SHA224, digest=bytes(28)))
        yield "an unknown hash", query(imprint(algorithm="1.2.3.4", digest=bytes(32)))
        # The algorithm is judged before the length: nobody knows how long an unknown hash is.
        yield "MD5 with a wrong length", query(imprint(algorithm=MD5, digest=bytes(5)))

    def requests():
        for version in (0, 2, -1, 255, 2**64):
            yield f"version {version}", query(version=version)
        yield "version 2 with MD5", query(imprint(algorithm=MD5, digest=bytes(16)), version=2)
        yield "nonce of 129 octets", query(nonce=tlv(INTEGER, b"\x40" + bytes(128)))
        yield "nonce of 129 octets, the first 00", query(nonce=tlv(INTEGER, b"\x00\x80" + bytes(127)))
        yield "nonce of 129 octets, negative", query(nonce=tlv(INTEGER, b"\x80" + bytes(128)))
        yield "nonce of 129 octets and an extension", query(nonce=tlv(INTEGER, b"\x40" + bytes(128)), extensions=extension())

    def extensions():
        yield "an extension", query(extensions=extension())
        yield "a critical extension", query(extensions=extension(critical=True), cert_req=True, nonce=1)
        yield "an extension and an unknown policy", query(policy="1.2.3.4.5", extensions=extension())

    def policies():
        yield "an unknown policy", query(policy="1.2.3.4.5")
        yield "the anyPolicy of certificates", query(policy="2.5.29.32.0", nonce=3)

    families = {"badDataFormat": data_format, "badAlg": algorithms, "badRequest": requests,
                "unacceptedExtension": extensions, "unacceptedPolicy": policies}
    for fail_info, family in families.items():
        for name, body in family():
            yield name, body, fail_info


def check_http(checks, name, answer):
    """What holds for every answer of the protocol, refusals included."""
    checks.equal(f"{name}: status", answer.status, 200)
    checks.equal(f"{name}: Content-Type", answer.header("Content-Type"), REPLY)
    checks.equal(f"{name}: Content-Length", answer.header("Content-Length"), str(len(answer.body)))
    checks.equal(f"{name}: Transfer-Encoding", answer.header("Transfer-Encoding"), None)
    checks.equal(f"{name}: Cache-Control", answer.header("Cache-Control"), "no-store")


def check_refusals(checks, url, path):
    for name, body, wanted in refusals():
        name = f"{path} refuses {name}"
        answer = post(url, path, body)
        check_http(checks, name, answer)
        reply = Reply(answer.body)
        checks.equal(f"{name}: status is rejection", reply.status, 2)
        checks.equal(f"{name}: {wanted}", reply.fail_info, FAIL_INFO[wanted])
        checks.that(f"{name}: no token", reply.token is None)
        checks.that(f"{name}: says why", bool(reply.texts) and all(text.isascii() for text in reply.texts), repr(reply.texts))


def granted(checks, name, answer):
    """The token of an answer that must be a grant, or None."""
    check_http(checks, name, answer)
    if answer.status != 200:
        return None
    reply = Reply(answer.body)
    if not checks.that(f"{name}: granted", reply.status == 0 and reply.token and reply.fail_info is None,
                       f"status {reply.status}, failInfo {check.show(reply.fail_info)}, {reply.texts}"):
        return None
    return Token(reply.token)


def nonces():
    """(name, the INTEGER element as sent or None)."""
    yield "absent", None
    for value in (0, 1, -1, 127, 128, 255, 256, -128, -129, 2**63, 2**64 - 1, -(2**63), -(2**64), 2**159 + 1):
        yield str(value), integer(value)
    yield "of 128 octets", tlv(INTEGER, b"\x7f" + bytes(range(127)))
    yield "of 128 octets, negative", tlv(INTEGER, b"\x80" + bytes(127))
    yield "of 128 octets, a needed leading zero", tlv(INTEGER, b"\x00\xff" + bytes(126))


def check_nonces(checks, url, path):
    for name, sent in nonces():
        name = f"{path} nonce {name}"
        token = granted(checks, name, post(url, path, query(nonce=sent)))
        if token:
            checks.equal(f"{name}: echoed", token.nonce.raw if token.nonce else None, sent)
    # Not DER: leading zeros that are not needed. Either a refusal, or the same value in its shortest form.
    for padded, shortest in ((b"\x00\x07", integer(7)), (b"\xff\x80", integer(-128)), (bytes(16) + b"\x01", integer(1))):
        name = f"{path} nonce with padding {padded.hex()}"
        answer = post(url, path, query(nonce=tlv(INTEGER, padded)))
        check_http(checks, name, answer)
        reply = Reply(answer.body)
        if reply.token:
            checks.equal(f"{name}: same value", Token(reply.token).nonce.raw, shortest)
        else:
            checks.equal(f"{name}: badDataFormat", reply.fail_info, FAIL_INFO["badDataFormat"])


def check_imprints(checks, url, path):
    """Every hash, with parameters NULL and absent: echoed as received. And the policy, asked for by name."""
    policy = None
    for name, parameters in itertools.product(HASHES, (NULL_PARAMETERS, b"")):
        sent = imprint(b"some document", name, parameters)
        title = f"{path} {name}, parameters {'NULL' if parameters else 'absent'}"
        token = granted(checks, title, post(url, path, query(sent)))
        if token:
            checks.equal(f"{title}: imprint echoed", token.imprint.raw, sent)
            policy = token.policy.raw
    if policy:
        body = sequence(integer(1), imprint(), policy)
        token = granted(checks, f"{path} asked for its own policy", post(url, path, body))
        checks.equal(f"{path} answers under the policy asked for", token and token.policy.raw, policy)
    # DER leaves FALSE out, but clients send it, and it changes nothing.
    body = sequence(integer(1), imprint(), b"\x01\x01\x00")
    reply = Reply(post(url, path, body).body)
    if reply.token:
        checks.that(f"{path} certReq FALSE in full: no certificates", Token(reply.token).certificates is None)
    else:
        checks.equal(f"{path} certReq FALSE in full: badDataFormat", reply.fail_info, FAIL_INFO["badDataFormat"])


def check_headers(checks, url, path):
    body = query(nonce=99)
    for accept in (None, "*/*", "application/json", "text/plain;q=1.0", "text/html, image/gif, image/jpeg, */*; q=.2",
                   "application/timestamp-reply;q=0", ""):
        headers = {"Content-Type": QUERY} | ({} if accept is None else {"Accept": accept})
        granted(checks, f"{path} Accept {accept!r}", post(url, path, body, headers=headers))
    for content_type in ("Application/Timestamp-Query", "APPLICATION/TIMESTAMP-QUERY", f"{QUERY}; charset=utf-8",
                         f"{QUERY};x=\"a;b\"", f"{QUERY} ; charset=binary"):
        granted(checks, f"{path} Content-Type {content_type!r}", post(url, path, body, headers={"Content-Type": content_type}))
    for content_type in (None, "", "text/plain", "application/json", "application/timestamp", f"{QUERY}2", REPLY,
                         "application/octet-stream", f"text/plain; {QUERY}"):
        headers = {} if content_type is None else {"Content-Type": content_type}
        answer = post(url, path, body, headers=headers)
        checks.equal(f"{path} Content-Type {content_type!r} is refused", answer.status, 415)
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        answer = post(url, path, None if method in ("GET", "HEAD") else body, method=method)
        checks.equal(f"{path} {method}: status", answer.status, 405)
        checks.equal(f"{path} {method}: Allow", answer.header("Allow"), "POST")


def raw_exchange(url, head, chunks=()):
    """Writes octets on a socket and reads the answer; a server that answers early may stop reading."""
    with socket.create_connection(check.host_port(url), timeout=30) as connection:
        try:
            connection.sendall(head)
            for chunk in chunks:
                connection.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status


def check_sizes_and_connections(checks, url, path):
    host, port = check.host_port(url)
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: {QUERY}\r\n".encode()
    sized = head + b"Content-Length: %d\r\n\r\n"
    # Refused by its declared length alone: the 10 GB are never sent, and the answer must not wait for them.
    checks.equal(f"{path} 10 GB declared", raw_exchange(url, sized % 10**10), 413)
    size = BODY_MAX + 1
    checks.equal(f"{path} {size} octets", raw_exchange(url, sized % size, [bytes(size)]), 413)
    chunk = b"1000\r\n" + bytes(4096) + b"\r\n"
    endless = itertools.chain(itertools.repeat(chunk, BODY_MAX // 4096 + 1), [b"0\r\n\r\n"])
    checks.equal(f"{path} too much in chunks", raw_exchange(url, head + b"Transfer-Encoding: chunked\r\n\r\n", endless), 413)

    body = query(nonce=5)
    connection = http.client.HTTPConnection(host, port, timeout=30)
    ports = set()
    for turn in range(3):
        # A refusal in the middle must not end the connection either.
        connection.request("POST", path, body=b"" if turn == 1 else body, headers={"Content-Type": QUERY})
        ports.add(connection.sock.getsockname()[1])
        response = connection.getresponse()
        response.read()
        checks.equal(f"{path} keep-alive, request {turn}: status", response.status, 200)
    checks.equal(f"{path} keep-alive: connections used", len(ports), 1)
    connection.request("POST", path, body=iter([body[:5], body[5:]]), headers={"Content-Type": QUERY}, encode_chunked=True)
    response = connection.getresponse()
    checks.equal(f"{path} a query in chunks: status", (response.status, Reply(response.read()).status), (200, 0))
    connection.close()
    old = head.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Content-Length: %d\r\n\r\n" % len(body)
    checks.equal(f"{path} HTTP/1.0: status", raw_exchange(url, old, [body]), 200)


def main(arguments, checks):
    serials = set()
    for path in ("/tsa", "/tsa/rsa"):
        check_refusals(checks, arguments.url, path)
        check_nonces(checks, arguments.url, path)
        check_imprints(checks, arguments.url, path)
        check_headers(checks, arguments.url, path)
        check_sizes_and_connections(checks, arguments.url, path)
        # The same query again is a new token: new serial. Both endpoints draw from one sequence.
        for _ in range(5):
            token = granted(checks, f"{path} the same query again", post(arguments.url, path, query(nonce=1)))
            if token:
                checks.that(f"{path} serial is new", token.serial.int() not in serials)
                serials.add(token.serial.int())


if __name__ == "__main__":
    check.run(main)
