"""pkilint's profiles, as functions from DER to findings. For several scripts, each one process: pkilint takes a second to start and
milliseconds to judge."""

import datetime

from pkilint import etsi, finding_filter, pkix
from pkilint.bin import lint_pkix_signer_signee_cert_chain as signer_signee
from pkilint.cabf import cabf_crl, serverauth
from pkilint.cabf.serverauth import serverauth_constants
from pkilint.etsi.etsi_constants import CertificateType
from pkilint.loader import (RFC5280CertificateDocumentLoader, RFC5280CertificateListDocumentLoader,
                            RFC6960OCSPResponseDocumentLoader)
from pkilint.pkix import certificate, crl, extension, name as names, ocsp
from pkilint.pkix.crl import CertificateRevocationListType
from pkilint.report import ReportGeneratorPlaintext
from pkilint.validation import ValidationFindingSeverity

# EN 319 412-2 wants no critical EKU in the certificate of a person, RFC 3161, 2.3 wants one in that of a TSU.
CRITICAL_EKU = "etsi.en_319_412_2.gen-4.3.10-1.eku_extension_is_critical"
INTERNAL_NAME = "etsi.internal_domain_name"


class Linter:
    """One profile: what to load, what to ask of it, and the rules of RFC 5280 that the profile replaces."""

    def __init__(self, loader, validators, filters=()):
        self.loader, self.validators, self.filters = loader, validators, list(filters)

    def __call__(self, der):
        """The codes of all findings that are at least a warning, and all findings as text."""
        results = self.validators.validate(self.loader.load_der_document(der).root)
        return findings(finding_filter.filter_results(self.filters, results)[0])


def findings(results):
    found = [description.finding for result in results for description in result.finding_descriptions]
    codes = sorted(finding.code for finding in found if finding.severity <= ValidationFindingSeverity.WARNING)
    return codes, ReportGeneratorPlaintext(results, ValidationFindingSeverity.INFO).generate()


def decoders():
    return [pkix.create_attribute_decoder(names.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS)]


def pkix_linter():
    return Linter(RFC5280CertificateDocumentLoader(), certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(names.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS), [
            certificate.create_issuer_validator_container([]), certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]), certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ]))


def etsi_linter(kind):
    """EN 319 412 for a type of certificate, such as NCP-LEGAL-PERSON-CERTIFICATE."""
    kind = CertificateType.from_option_str(kind)
    return Linter(RFC5280CertificateDocumentLoader(), certificate.create_pkix_certificate_validator_container(
        etsi.create_decoding_validators(kind), etsi.create_validators(kind)), etsi.create_etsi_finding_filters(kind))


def server_linter(kind):
    """The Baseline Requirements for a type of certificate, such as OV-FINAL-CERTIFICATE."""
    kind = serverauth_constants.CertificateType.from_option_str(kind)
    return Linter(RFC5280CertificateDocumentLoader(), certificate.create_pkix_certificate_validator_container(
        serverauth.create_decoding_validators(), serverauth.create_validators(kind)),
        serverauth.create_serverauth_finding_filters(kind))


def crl_linter(of_cas=None):
    """RFC 5280, and with `of_cas` told also the Baseline Requirements, for which it matters whether a list is of CAs."""
    validity, others = [], []
    if of_cas is not None:
        kind = CertificateRevocationListType.ARL if of_cas else CertificateRevocationListType.CRL
        validity = [cabf_crl.create_validity_period_validator(kind)]
        others = [cabf_crl.CabfCrlReasonCodeAllowlistValidator(kind)]
    return Linter(RFC5280CertificateListDocumentLoader(), crl.create_pkix_crl_validator_container(
        decoders(), [crl.create_issuer_validator_container([]), crl.create_validity_validator_container(validity),
                     crl.create_extensions_validator_container([]), *others]))


class ChainLinter:
    """A certificate with that of its issuer: names, key identifiers, policies and the signature."""

    def __init__(self):
        self.decoding = signer_signee.create_decoder_validation_container()
        self.of_issuer = signer_signee.create_issuer_validation_container()
        self.of_subject = signer_signee.create_subject_validation_container()

    def __call__(self, ders):
        loader, documents = RFC5280CertificateDocumentLoader(), {}
        for name, der in zip(("issuer", "subject"), ders):
            documents[name] = loader.load_der_document(der, name, name, documents)
        issuer, subject = documents["issuer"].root, documents["subject"].root
        results = [*self.decoding.validate(issuer), *self.decoding.validate(subject),
                   *self.of_issuer.validate(issuer), *self.of_subject.validate(subject)]
        return findings(results)


def ocsp_linter():
    return Linter(RFC6960OCSPResponseDocumentLoader(), ocsp.create_pkix_ocsp_response_validator_container(
        [ocsp.create_response_decoder(), *decoders()], []))


def backwards(der, begin, end):
    """A certificate or CRL that ends a day before it begins; nothing else is touched, so the signature is wrong."""
    form = "%y%m%d%H%M%SZ" if end.year < 2050 else "%Y%m%d%H%M%SZ"
    old, new = (moment.strftime(form).encode() for moment in (end, begin - datetime.timedelta(days=1)))
    assert der.count(old) == 1, f"its end, {old}, is not found once"
    return der.replace(old, new)
