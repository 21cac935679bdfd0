"""pyhanko-certvalidator, the path validation of pyHanko: a path with revocation by OCSP and by lists, which it fetches from the places
that the certificates name. Arguments, for each case four as RevocationCheck.java has them: a folder with root.pem, ca.pem and leaf.pem;
who is revoked ("leaf", "ca"), or "good" or "unknown"; why; and in which second."""

import argparse
import asyncio
import datetime
from pathlib import Path

from asn1crypto import pem, x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import InsufficientRevinfoError, PathValidationError, RevokedError
from pyhanko_certvalidator.fetchers.requests_fetchers import RequestsFetcherBackend
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule

import check


def read(path):
    return x509.Certificate.load(pem.unarmor(path.read_bytes())[2])


def validate(folder, rule):
    """What is wrong with the leaf of a folder; None where nothing is."""
    # The root answers no OCSP: what it has revoked is in its list alone.
    rules = RevocationCheckingPolicy(ee_certificate_rule=rule,
                                     intermediate_ca_cert_rule=RevocationCheckingRule.CRL_REQUIRED)
    context = ValidationContext(trust_roots=[read(folder / "root.pem")], allow_fetching=True,
                                fetcher_backend=RequestsFetcherBackend(),
                                revinfo_policy=CertRevTrustPolicy(revocation_checking_policy=rules))
    validator = CertificateValidator(read(folder / "leaf.pem"), [read(folder / "ca.pem")], validation_context=context)
    try:
        asyncio.run(validator.async_validate_usage(key_usage=set()))
        return None
    except PathValidationError as error:
        return error


def main(arguments, checks):
    words = iter(arguments.cases)
    for folder, who, reason, second in zip(words, words, words, words):
        folder, at = Path(folder), datetime.datetime.fromtimestamp(int(second), datetime.timezone.utc)
        for rule in RevocationCheckingRule.OCSP_REQUIRED, RevocationCheckingRule.CRL_REQUIRED:
            name = f"{folder.name}: {rule.name}"
            found = validate(folder, rule)
            # A list says nothing of what was never issued.
            if who == "good" or (who == "unknown" and rule == RevocationCheckingRule.CRL_REQUIRED):
                checks.equal(f"{name}: good", found, None)
            elif who == "unknown":
                checks.that(f"{name}: nobody knows", isinstance(found, InsufficientRevinfoError), repr(found))
            elif checks.that(f"{name}: revoked", isinstance(found, RevokedError), repr(found)):
                checks.equal(f"{name}: why", found.reason.native, reason.lower())
                checks.equal(f"{name}: when", found.revocation_dt, at)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="+")
    check.judge(main, parser.parse_args())
