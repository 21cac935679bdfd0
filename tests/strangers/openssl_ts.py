"""`openssl ts` as a client: queries of every kind, verification, and verifications that must fail."""

import shutil

import check
from tsp import QUERY, REPLY, post

HASHES = ("sha256", "sha384", "sha512", "sha3-256", "sha3-384", "sha3-512")


def main(arguments, checks):
    work, trust = arguments.work, arguments.trust
    document, other = work / "document.txt", work / "other.txt"
    document.write_text("We, the undersigned, agree.\n")
    other.write_text("We, the undersigned, do not agree.\n")
    root, untrusted = ("-CAfile", trust / "root.pem"), ("-untrusted", trust / "tsa-chain.pem")

    def ts(*words):
        return check.command("openssl", "ts", *words)

    def make_query(name, *options, data=document):
        file = work / f"{name}.tsq"
        code, text = ts("-query", "-data", data, "-out", file, *options)
        assert code == 0, f"openssl could not make the query {name}: {text}"
        return file

    def answer(query_file, path):
        reply = post(arguments.url, path, query_file.read_bytes(), headers={"Content-Type": QUERY})
        assert (reply.status, reply.header("Content-Type")) == (200, REPLY), f"{reply.status} {reply.headers}"
        file = query_file.with_suffix(".tsr")
        file.write_bytes(reply.body)
        return file

    def check_verify(name, wanted, *options):
        code, text = ts("-verify", *options)
        said = ("Verification: OK" in text) if wanted else ("Verification: FAILED" in text)
        checks.that(name, (code == 0) == wanted and said, text)

    for path in ("/tsa", "/tsa/rsa"):
        tag = path.replace("/", "-")[1:]
        for hash_name in HASHES:
            for kind, options in (("plain", ()), ("cert", ("-cert",)), ("no-nonce", ("-no_nonce",)),
                                  ("cert-no-nonce", ("-cert", "-no_nonce"))):
                name = f"{path} {hash_name} {kind}"
                query = make_query(f"{tag}-{hash_name}-{kind}", f"-{hash_name}", *options)
                reply = answer(query, path)
                code, text = ts("-reply", "-in", reply, "-text")
                checks.that(f"{name}: openssl reads the reply", code == 0 and "Status: Granted." in text, text)
                # With certificates in the token the root alone must do; else the chain is the verifier's to bring.
                chain = root if "-cert" in options else (*root, *untrusted)
                check_verify(f"{name}: against the query", True, "-queryfile", query, "-in", reply, *chain)
                check_verify(f"{name}: against the data", True, "-data", document, "-in", reply, *chain)

        query = make_query(f"{tag}-main", "-sha256", "-cert")
        reply = answer(query, path)
        token = work / f"{tag}.tst"
        code, text = ts("-reply", "-in", reply, "-token_out", "-out", token)
        checks.that(f"{path}: openssl takes the token out", code == 0, text)
        check_verify(f"{path}: the bare token verifies", True, "-data", document, "-in", token, "-token_in", *root)
        check_must_fail(check_verify, path, tag, work, other, document, query, reply, root, untrusted, make_query)

        # A policy asked for: its own is granted by name, a foreign one is refused.
        _, text = ts("-reply", "-in", reply, "-text")
        policy = next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("Policy OID:"))
        query = make_query(f"{tag}-policy", "-sha256", "-cert", "-tspolicy", policy)
        check_verify(f"{path}: own policy by name", True, "-queryfile", query, "-in", answer(query, path), *root)
        refused = (
            ("foreign policy", ("-sha256", "-tspolicy", "1.2.3.4.5"), "the requested TSA policy is not supported by the TSA"),
            ("MD5", ("-md5",), "unrecognized or unsupported algorithm identifier"),
            ("SHA-1", ("-sha1",), "unrecognized or unsupported algorithm identifier"),
            ("SHA-224", ("-sha224",), "unrecognized or unsupported algorithm identifier"),
        )
        for name, options, words in refused:
            query = make_query(f"{tag}-refused-{name.replace(' ', '-')}", *options)
            reply = answer(query, path)
            code, text = ts("-reply", "-in", reply, "-text")
            checks.that(f"{path} refuses {name}: openssl reads why", code == 0 and "Status: Rejected." in text and
                        words in text and "Not included." in text, text)
            check_verify(f"{path} refuses {name}: no verification", False, "-queryfile", query, "-in", reply, *root)


def check_must_fail(verify, path, tag, work, other, document, query, reply, root, untrusted, make_query):
    """A verifier that accepts everything would pass all checks above."""
    verify(f"{path}: another document", False, "-data", other, "-in", reply, *root)
    foreign = make_query(f"{tag}-foreign", "-sha256", "-cert")
    verify(f"{path}: another query (nonce)", False, "-queryfile", foreign, "-in", reply, *root)
    stranger = work / f"{tag}-stranger.pem"
    code, text = check.command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                               "-keyout", work / f"{tag}-stranger.key", "-subj", "/CN=Somebody else", "-out", stranger)
    assert code == 0, text
    verify(f"{path}: another root", False, "-queryfile", query, "-in", reply, "-CAfile", stranger, *untrusted)
    data = bytearray(reply.read_bytes())
    # The document's digest stands in the clear inside the token.
    code, text = check.command("openssl", "dgst", "-sha256", "-binary", "-out", work / "digest", document)
    assert code == 0, text
    at = data.index((work / "digest").read_bytes())
    data[at] ^= 1
    forged = work / f"{tag}-forged.tsr"
    forged.write_bytes(data)
    verify(f"{path}: a flipped bit in the imprint", False, "-data", document, "-in", forged, *root)
    data = bytearray(reply.read_bytes())
    data[-1] ^= 1
    forged.write_bytes(data)
    verify(f"{path}: a flipped bit in the signature", False, "-queryfile", query, "-in", forged, *root)


if __name__ == "__main__":
    if not shutil.which("openssl"):
        raise SystemExit("openssl is missing: run ops/setup.sh")
    check.run(main)
