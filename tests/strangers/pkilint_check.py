"""Lints every certificate and CRL that is served with pkilint (RFC 5280, ETSI EN 319 412): a verifier takes many a
certificate that no standard allows."""

import json
from urllib.parse import urlsplit
from urllib.request import urlopen

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import check
from linters import CRITICAL_EKU, INTERNAL_NAME, backwards, crl_linter, etsi_linter, pkix_linter

# ETSI knows no type for a TSU: it is a legal person's certificate, and a test policy makes it no qualified one.
TSU_TYPE = "NCP-LEGAL-PERSON-CERTIFICATE"


def fetch(url):
    with urlopen(url, timeout=30) as response:
        return response.read()


def main(arguments, checks):
    def lint(title, linter, der, wanted=()):
        codes, text = linter(der)
        checks.that(title, codes == list(wanted), lambda: f"found {codes}, wanted {list(wanted)}\n{text}")

    def says_no(title, linter, der, wanted):
        """There may be more findings: with a wrong signature, a root is not self-signed and lacks its issuer's key."""
        codes, _ = linter(der)
        checks.that(f"{title}, were it to end first: a finding", wanted in codes, lambda: f"found {codes}")

    # Whether a list is of CAs or of others matters only to the CA/Browser Forum's profile, which is not a demonstration's.
    pkix_lint, tsu_lint, crl_lint = pkix_linter(), etsi_linter(TSU_TYPE), crl_linter()

    service = json.loads(fetch(f"{arguments.url}/.well-known/semper"))
    authorities = service["authorities"]
    checks.equal("authorities", sorted(a["name"] for a in authorities), ["ca-party", "ca-server", "ca-tsu", "root"])
    for authority in authorities:
        path = authority["certificate"]
        der = fetch(arguments.url + path)
        lint(f"{path}: PKIX", pkix_lint, der)
        found = x509.load_der_x509_certificate(der)
        der = backwards(der, found.not_valid_before_utc, found.not_valid_after_utc)
        says_no(path, pkix_lint, der, "pkix.certificate_negative_validity_period")

        path = authority["crl"]
        der = fetch(arguments.url + path)
        lint(f"{path}: PKIX", crl_lint, der)
        found = x509.load_der_x509_crl(der)
        der = backwards(der, found.last_update_utc, found.next_update_utc)
        says_no(path, crl_lint, der, "pkix.crl_negative_validity_period")

    # The chain also has the units' issuer, which was linted above.
    chain = x509.load_pem_x509_certificates((arguments.trust / "tsa-chain.pem").read_bytes())
    units = [c for c in chain if not c.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign]
    checks.equal("units in tsa-chain.pem", len(units), 2)
    # A demonstration's certificates name CRL, OCSP and issuer at 127.0.0.1, and that is found; a real service's must not.
    at_home = urlsplit(service["service"]["public_url"]).hostname == "127.0.0.1"
    wanted = [CRITICAL_EKU] + [INTERNAL_NAME] * 3 * at_home
    for unit in units:
        title = unit.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        lint(f"{title}: PKIX", pkix_lint, unit.public_bytes(Encoding.DER))
        lint(f"{title}: ETSI, legal person", tsu_lint, unit.public_bytes(Encoding.DER), wanted)


if __name__ == "__main__":
    check.run(main)
