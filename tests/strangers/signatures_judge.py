"""pyHanko's judgement of the rows of signatures.py whose time is given: EN 319 102-1 as it understands it. The process runs in
that time, because its validation of the past begins at the real one."""

import asyncio
import datetime
import hashlib
import io
import json
import logging
import sys
from pathlib import Path

from asn1crypto import cms, crl, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESPassed
from pyhanko.sign.validation.ades import ades_basic_validation, ades_lta_validation, ades_with_time_validation
from pyhanko.sign.validation.policy_decl import (
    LocalKnowledge, PdfSignatureValidationSpec, RevinfoOnlineFetchingRule, RevocationInfoGatheringSpec, SignatureValidationSpec)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer


def spec(work, crls):
    """What pyHanko is to trust and know."""
    root, ca, tsa_root = (x509.Certificate.load((work / f"{name}.der").read_bytes()) for name in ("root", "ca", "tsa-root"))
    policy = lambda root: CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build(trust_roots=[root]),
        revinfo_policy=CertRevTrustPolicy(RevocationCheckingPolicy.from_legacy("require")))
    knowledge = LocalKnowledge(
        known_crls=[CRLContainer(crl.CertificateList.load((work / name).read_bytes())) for name in crls], known_certs=[ca])
    return SignatureValidationSpec(
        cert_validation_policy=policy(root), ts_cert_validation_policy=policy(tsa_root),
        revinfo_gathering_policy=RevocationInfoGatheringSpec(RevinfoOnlineFetchingRule.LOCAL_ONLY),
        local_knowledge=knowledge,
        key_usage_settings=KeyUsageConstraints(key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=False))


async def judge_pdf(data, at, spec, _content):
    """Each signature by basic validation, then with time, then long-term, until one passes."""
    reader = PdfFileReader(io.BytesIO(data))
    timing = ValidationTimingInfo(validation_time=at, best_signature_time=at, point_in_time_validation=True)
    found = []
    for embedded in reader.embedded_regular_signatures:
        said = []
        try:
            digest = embedded.compute_digest()
            for judge in (
                lambda: ades_basic_validation(embedded.signed_data, spec, timing, raw_digest=digest),
                lambda: ades_with_time_validation(embedded.signed_data, spec, timing, raw_digest=digest),
                lambda: ades_lta_validation(embedded, PdfSignatureValidationSpec(spec), timing),
            ):
                said.append(await indication(judge))
                if said[-1] in ("OK", "HASH_FAILURE", "SIG_CRYPTO_FAILURE"):
                    break
            embedded.compute_integrity_info()
            modified = not embedded.summarise_integrity_info()["docmdp_ok"]
        except Exception as fault:  # pylint: disable=broad-except
            said.append(f"EXCEPTION {type(fault).__name__}: {fault}")
            modified = None
        found.append({"name": embedded.field_name, "ades": final(said), "said": said, "modified": modified})
    return found


async def judge_cms(data, at, spec, content):
    """The same for the one signer that pyHanko takes."""
    timing = ValidationTimingInfo(validation_time=at, best_signature_time=at, point_in_time_validation=True)
    signed = cms.ContentInfo.load(data)["content"]
    digest = None
    if content is not None:
        name = signed["signer_infos"][0]["digest_algorithm"]["algorithm"].native
        digest = hashlib.new(name, content).digest()
    said = []
    for judge in (lambda: ades_basic_validation(signed, spec, timing, raw_digest=digest),
                  lambda: ades_with_time_validation(signed, spec, timing, raw_digest=digest)):
        said.append(await indication(judge))
        if said[-1] in ("OK", "HASH_FAILURE", "SIG_CRYPTO_FAILURE"):
            break
    return [{"name": "signer 1", "ades": final(said), "said": said, "modified": None}]


async def indication(judge):
    """The name of what pyHanko says."""
    try:
        result = await judge()
    except Exception as fault:  # pylint: disable=broad-except
        return f"EXCEPTION {type(fault).__name__}: {fault}"
    sub = result.ades_subindic
    return "OK" if sub == AdESPassed.OK else sub.name


def final(said):
    """What counts: a pass by any process, else what the last had to say that was able to say anything."""
    if "OK" in said:
        return "OK"
    # Without a timestamp, validation with time says that there is none, which says nothing.
    told = [word for word in said if not word.startswith("EXCEPTION")]
    return told[0] if len(told) > 1 and told[1] == "SIG_CONSTRAINTS_FAILURE" else (told or said)[-1]


def main():
    """Judges the rows of a table and prints them."""
    work, at = Path(sys.argv[1]), sys.argv[2]
    logging.disable(logging.CRITICAL)
    moment = datetime.datetime.fromisoformat(at)
    rows = [row for row in json.loads((work / "table.json").read_text()) if row["at"] == at]
    for row in rows:
        data = (work / row["file"]).read_bytes()
        content = (work / row["detached"]).read_bytes() if row["detached"] else None
        judge = judge_pdf if row["kind"] == "pdf" else judge_cms
        try:
            row["signatures"] = asyncio.run(judge(data, moment, spec(work, row["crls"]), content))
        except Exception as fault:  # pylint: disable=broad-except
            row["signatures"] = [{"name": "", "ades": f"EXCEPTION {type(fault).__name__}: {fault}", "modified": None}]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
