"""Two Python clients: rfc3161-client (strict about DER, verifies up to our root) and rfc3161ng (RSA TSUs only)."""

import rfc3161_client
import rfc3161ng
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

import check
from tsp import QUERY, Token, post


def main(arguments, checks):
    root = x509.load_pem_x509_certificate((arguments.trust / "root.pem").read_bytes())
    chain = x509.load_pem_x509_certificates((arguments.trust / "tsa-chain.pem").read_bytes())
    for path in ("/tsa", "/tsa/rsa"):
        check_rfc3161_client(arguments, checks, path, root, chain)
    check_rfc3161ng(arguments, checks, chain)


def check_rfc3161_client(arguments, checks, path, root, chain):
    impostor = namesake(root)
    document = b"We, the undersigned, agree."
    algorithms = {rfc3161_client.HashAlgorithm.SHA256: "sha256", rfc3161_client.HashAlgorithm.SHA512: "sha512"}
    for algorithm, name in algorithms.items():
        for with_certificates in (True, False):
            title = f"rfc3161-client {path} {name}{' certReq' if with_certificates else ''}"
            request = (rfc3161_client.TimestampRequestBuilder().data(document).hash_algorithm(algorithm)
                       .cert_request(cert_request=with_certificates).nonce(nonce=True).build())
            answer = post(arguments.url, path, request.as_bytes(), headers={"Content-Type": QUERY})
            response = rfc3161_client.decode_timestamp_response(answer.body)

            def verifier(anchor):
                builder = rfc3161_client.VerifierBuilder.from_request(request).add_root_certificate(anchor)
                signer = next(c for c in chain if c.serial_number == signer_serial(response))
                if not with_certificates:
                    # Nothing in the token to build a path from, so the verifier brings the chain.
                    builder = builder.tsa_certificate(signer)
                    for certificate in chain:
                        if certificate.subject == signer.issuer:
                            builder = builder.add_intermediate_certificate(certificate)
                return builder.build()

            checks.that(f"{title}: verifies up to our root", verifier(root).verify_message(response, document))
            for what, attempt in (
                ("another document", lambda: verifier(root).verify_message(response, document + b" Not.")),
                ("another root", lambda: verifier(impostor).verify_message(response, document)),
            ):
                try:
                    checks.that(f"{title}: {what} is refused", attempt() is False)
                except rfc3161_client.VerificationError as error:
                    checks.that(f"{title}: {what} is refused ({error})", True)


def signer_serial(response):
    """rfc3161-client does not show the signer's identifier, so it is read from the token."""
    sid = Token(response.time_stamp_token()).signer_infos[0].children()[1]
    return sid.children()[1].int()


def namesake(root):
    """A self-signed certificate with our root's name and another key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return (x509.CertificateBuilder().subject_name(root.subject).issuer_name(root.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(root.not_valid_before_utc)
            .not_valid_after(root.not_valid_after_utc)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256()))


def check_rfc3161ng(arguments, checks, chain):
    document = b"We, the undersigned, agree."
    signer = next(c for c in chain if isinstance(c.public_key(), rsa.RSAPublicKey)
                  and not c.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign)
    pem = signer.public_bytes(Encoding.PEM)
    for name in ("sha256", "sha512"):
        for with_certificates in (True, False):
            title = f"rfc3161ng /tsa/rsa {name}{' certReq' if with_certificates else ''}"
            stamper = rfc3161ng.RemoteTimestamper(arguments.url + "/tsa/rsa", certificate=pem, hashname=name,
                                                  include_tsa_certificate=with_certificates, timeout=30)
            token = stamper.timestamp(data=document)
            checks.that(f"{title}: a token", isinstance(token, bytes) and len(token) > 500)
            checks.that(f"{title}: checks", rfc3161ng.check_timestamp(
                token, certificate=pem, data=document, hashname=name))
            checks.that(f"{title}: tells its time", rfc3161ng.get_timestamp(token).year >= 2025)
            try:
                rfc3161ng.check_timestamp(token, certificate=pem, data=document + b" Not.", hashname=name)
                checks.that(f"{title}: another document is refused", False)
            except ValueError as error:
                checks.that(f"{title}: another document is refused ({error})", True)


if __name__ == "__main__":
    check.run(main)
