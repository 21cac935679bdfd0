"""Lints every certificate and CRL that is served with pkilint (RFC 5280, ETSI EN 319 412): a verifier takes many a
certificate that no standard allows. In one process: pkilint takes a second to start and milliseconds to judge."""

import datetime
import json
from urllib.parse import urlsplit
from urllib.request import urlopen

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint import etsi, finding_filter, pkix
from pkilint.etsi.etsi_constants import CertificateType
from pkilint.loader import RFC5280CertificateDocumentLoader, RFC5280CertificateListDocumentLoader
from pkilint.pkix import certificate, crl, extension, name as names
from pkilint.report import ReportGeneratorPlaintext
from pkilint.validation import ValidationFindingSeverity

import check

# EN 319 412-2 wants no critical EKU in the certificate of a person, RFC 3161, 2.3 wants one in that of a TSU.
CRITICAL_EKU = "etsi.en_319_412_2.gen-4.3.10-1.eku_extension_is_critical"
INTERNAL_NAME = "etsi.internal_domain_name"
# ETSI knows no type for a TSU: it is a legal person's certificate, and a test policy makes it no qualified one.
TSU_TYPE = CertificateType.from_option_str("NCP-LEGAL-PERSON-CERTIFICATE")


def pkix_linter():
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(names.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS), [
            certificate.create_issuer_validator_container([]), certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]), certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ])


def tsu_linter():
    return certificate.create_pkix_certificate_validator_container(
        etsi.create_decoding_validators(TSU_TYPE), etsi.create_validators(TSU_TYPE))


def crl_linter():
    """Whether a list is of CAs or of others matters only to the CA/Browser Forum's profile, which is not ours."""
    return crl.create_pkix_crl_validator_container(
        [pkix.create_attribute_decoder(names.ATTRIBUTE_TYPE_MAPPINGS),
         pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS)],
        [crl.create_issuer_validator_container([]), crl.create_validity_validator_container([]),
         crl.create_extensions_validator_container([])])


class Linter:
    """One profile: what to load, what to ask of it, and the rules of RFC 5280 that the profile replaces."""

    def __init__(self, loader, validators, filters=()):
        self.loader, self.validators, self.filters = loader, validators, list(filters)

    def __call__(self, der):
        """The codes of all findings that are at least a warning, and all findings as text."""
        results = self.validators.validate(self.loader.load_der_document(der).root)
        results, _ = finding_filter.filter_results(self.filters, results)
        found = [description.finding for result in results for description in result.finding_descriptions]
        codes = sorted(finding.code for finding in found if finding.severity <= ValidationFindingSeverity.WARNING)
        return codes, ReportGeneratorPlaintext(results, ValidationFindingSeverity.INFO).generate()


def fetch(url):
    with urlopen(url, timeout=30) as response:
        return response.read()


def backwards(der, begin, end):
    """A certificate or CRL that ends a day before it begins; nothing else is touched, so the signature is wrong."""
    form = "%y%m%d%H%M%SZ" if end.year < 2050 else "%Y%m%d%H%M%SZ"
    old, new = (moment.strftime(form).encode() for moment in (end, begin - datetime.timedelta(days=1)))
    assert der.count(old) == 1, f"its end, {old}, is not found once"
    return der.replace(old, new)


def main(arguments, checks):
    def lint(title, linter, der, wanted=()):
        codes, text = linter(der)
        checks.that(title, codes == list(wanted), lambda: f"found {codes}, wanted {list(wanted)}\n{text}")

    def says_no(title, linter, der, wanted):
        """There may be more findings: with a wrong signature, a root is not self-signed and lacks its issuer's key."""
        codes, _ = linter(der)
        checks.that(f"{title}, were it to end first: a finding", wanted in codes, lambda: f"found {codes}")

    pkix_lint = Linter(RFC5280CertificateDocumentLoader(), pkix_linter())
    tsu_lint = Linter(RFC5280CertificateDocumentLoader(), tsu_linter(), etsi.create_etsi_finding_filters(TSU_TYPE))
    crl_lint = Linter(RFC5280CertificateListDocumentLoader(), crl_linter())

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
