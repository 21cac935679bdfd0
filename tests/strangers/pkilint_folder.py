"""Lints every artefact of a folder with pkilint: certificates by RFC 5280, by ETSI EN 319 412 and by the Baseline Requirements, each
with its issuer, lists and OCSP responses. `manifest.json` says what each file is."""

import argparse
import json
from pathlib import Path

from cryptography import x509

import check
from linters import (CRITICAL_EKU, ChainLinter, backwards, crl_linter, etsi_linter, ocsp_linter, pkix_linter,
                     server_linter)

LEGAL, NATURAL = "NCP-LEGAL-PERSON-CERTIFICATE", "NCP-NATURAL-PERSON-CERTIFICATE"

# ETSI's type of each profile's certificates. It knows no TSU and no keys of a notary: they are certificates of legal persons.
ETSI_TYPES = {
    "root": None,
    "issuing-ca": None,
    "ocsp-responder": None,
    "tsu": LEGAL,
    "operator": LEGAL,
    "officer": LEGAL,
    "party-natural": NATURAL,
    "party-legal": LEGAL,
    # Of either; who has no identifier of a person is none.
    "party-auth": NATURAL,
    "tls-client": LEGAL,
    "tls-server": "OVCP-FINAL-CERTIFICATE",
    # Known to those who know the root, and perhaps of an address alone.
    "service-tls": None,
    "notary-dvcs": LEGAL,
    "notary-act": LEGAL,
    "arbiter-verdict": LEGAL,
    "arbiter-escrow": LEGAL,
    "dispute-verdict": LEGAL,
    "archive-report": LEGAL,
    "bundle-seal": LEGAL,
    # A profile of an operator who is allowed to make the claim.
    "party-qualified": "QCP-N-QSCD-EIDAS-FINAL-CERTIFICATE",
}
# The Baseline Requirements bind those who sell certificates to web servers: the certificates themselves, not our root.
SERVER_TYPES = {"tls-server": "OV-FINAL-CERTIFICATE"}

# Findings that are right, and that a stronger rule demands.
ALLOWED = {
    ("tsu", "ETSI"): [CRITICAL_EKU],
    # RFC 3029, 9 wants the EKU of a DVCS critical, too.
    ("notary-dvcs", "ETSI"): [CRITICAL_EKU],
    # BR 7.1.2.7.6: subjectKeyIdentifier is NOT RECOMMENDED where RFC 5280 says SHOULD.
    ("tls-server", "PKIX"): ["pkix.certificate_skid_end_entity_missing"],
}
# RFC 5280 leaves wildcards open, and the preferred name syntax that it asks for has none. BR allow them, and the linter of BR knows.
WILDCARD = "pkix.invalid_domain_name_syntax"


def etsi_type(profile, der):
    if profile == "party-auth":
        subject = x509.load_der_x509_certificate(der).subject
        return NATURAL if subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER) else LEGAL
    return ETSI_TYPES[profile]


def main(arguments, checks):
    def lint(title, linter, octets, wanted=()):
        codes, text = linter(octets)
        checks.that(title, codes == sorted(wanted), lambda: f"found {codes}, wanted {list(wanted)}\n{text}")

    pkix, chain, crl, status = pkix_linter(), ChainLinter(), crl_linter(), ocsp_linter()
    crl_br = {of_cas: crl_linter(of_cas) for of_cas in (False, True)}
    etsi = {kind: etsi_linter(kind) for kind in ETSI_TYPES.values() if kind}
    server = {kind: server_linter(kind) for kind in SERVER_TYPES.values()}

    manifest = json.loads((arguments.folder / "manifest.json").read_bytes())
    for entry in manifest:
        der, title = (arguments.folder / entry["file"]).read_bytes(), entry["title"]
        if entry["kind"] == "certificate":
            profile, issuer = entry["profile"], bytes.fromhex(entry["issuer"])
            wanted = ALLOWED.get((profile, "PKIX"), []) + [WILDCARD] * (b"*.example.com" in der)
            lint(f"{title}: PKIX", pkix, der, wanted)
            if der != issuer:
                lint(f"{title}: with its issuer", chain, (issuer, der))
            if kind := etsi_type(profile, der):
                lint(f"{title}: ETSI", etsi[kind], der, ALLOWED.get((profile, "ETSI"), []))
            if kind := SERVER_TYPES.get(profile):
                lint(f"{title}: Baseline Requirements", server[kind], der)
        elif entry["kind"] == "list":
            lint(f"{title}: PKIX", crl, der)
            lint(f"{title}: Baseline Requirements", crl_br[entry["of_cas"]], der)
        else:
            lint(f"{title}: PKIX", status, der)

    # Each linter can say no.
    def says_no(title, linter, octets, wanted):
        codes, _ = linter(octets)
        checks.that(f"says no: {title}", wanted in codes, lambda: f"found {codes}")

    def first(kind, **fields):
        entry = next(one for one in manifest if one["kind"] == kind and fields.items() <= one.items())
        return (arguments.folder / entry["file"]).read_bytes()

    party, ca = first("certificate", profile="party-legal"), first("certificate", profile="issuing-ca")
    found = x509.load_der_x509_certificate(party)
    ended = backwards(party, found.not_valid_before_utc, found.not_valid_after_utc)
    says_no("it ends first", pkix, ended, "pkix.certificate_negative_validity_period")
    says_no("its issuer's key is another", chain, (party, ca), "pkix.signature_verification_failed")
    says_no("no natural person", etsi[NATURAL], party, "etsi.en_319_412_2.nat-4.2.4-1.required_attribute_missing")
    says_no("no web server", server["OV-FINAL-CERTIFICATE"], party,
            "cabf.serverauth.subscriber.serverauth_eku_absent")
    arl = first("list", of_cas=True)
    found = x509.load_der_x509_crl(arl)
    ended = backwards(arl, found.last_update_utc, found.next_update_utc)
    says_no("the list ends first", crl, ended, "pkix.crl_negative_validity_period")
    says_no("two months are too long but for CAs", crl_br[False], arl, "cabf.crl_invalid_validity_period")
    says_no("status 4", status, bytes.fromhex("30030a0104"), "pkix.ocsp_response_status_code_4")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    check.judge(main, parser.parse_args())
