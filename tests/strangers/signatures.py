"""pyHanko and openssl make a table of signatures, good and bad, with a PKI of their own and fixed times; pyHanko judges every row
(signatures_judge.py), openssl every CMS row. `tests/tests/judges_signatures.rs` compares our judgement.

Writes files and `table.json` into --work."""

import argparse
import asyncio
import glob
import hashlib
import io
import json
import logging
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

from asn1crypto import algos, cms, core
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, FloatObject, StreamObject, pdf_name, pdf_string
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfTimeStamper, SimpleSigner, fields
from pyhanko.sign.ades.api import CAdESSignedAttrSpec
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.signers import PdfSigner
from pyhanko.sign.signers.pdf_cms import CAdESSignedAttributeProviderSpec, CMSSignedAttributes
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signatures_pki import Pki, day, load_crl

#: A clock of the row's own, by the package faketime.
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "faketime is missing: run ops/setup.sh")
#: When most signatures are judged.
NOW = "2025-09-01"


class Table:
    """Rows as they are made."""

    def __init__(self, work, pki):
        self.work, self.pki, self.rows = work, pki, []
        self.openssl_pems = {}

    def add(self, name, data, *, at=NOW, crls=None, content=None, openssl=True):
        """A row: `data` as it is, judged at `at` with the lists `crls` at hand."""
        kind = "pdf" if data.startswith(b"%PDF") else "cms"
        crls = self.pki.crls(at) if crls is None else crls
        (self.work / f"{name}.{kind}").write_bytes(data)
        row = {"name": name, "file": f"{name}.{kind}", "kind": kind, "at": day(at).isoformat(), "crls": [], "detached": None}
        for index, crl in enumerate(crls):
            file = f"{name}-{index}.crl"
            (self.work / file).write_bytes(crl)
            row["crls"].append(file)
        if content is not None:
            row["detached"] = f"{name}.content"
            (self.work / row["detached"]).write_bytes(content)
        row["openssl"] = self.openssl(data, at, content) if kind == "cms" and openssl else None
        self.rows.append(row)

    def openssl(self, data, at, content):
        """Whether `openssl cms -verify` takes it, without revocation."""
        seconds = str(int(day(at).timestamp()))
        (self.work / "openssl.cms").write_bytes(data)
        command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", str(self.work / "openssl.cms"), "-out", "/dev/null",
                   "-CAfile", str(self.work / "root.pem"), "-certfile", str(self.work / "ca.pem"), "-attime", seconds,
                   "-purpose", "any"]
        if content is not None:
            (self.work / "openssl.content").write_bytes(content)
            command += ["-content", str(self.work / "openssl.content")]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Maker:
    """Makes signatures."""

    def __init__(self, pki):
        self.pki = pki

    def signer(self, who, chain=True, pss=False):
        """pyHanko's signer."""
        store = SimpleCertificateStore()
        if chain:
            store.register(self.pki.ca.asn1)
        return SimpleSigner(signing_cert=who.asn1, signing_key=who.private, cert_registry=store, prefer_pss=pss)

    def stamper(self, when, unit=None):
        """A timestamping unit whose clock stands."""
        unit = unit or self.pki.tsu
        return DummyTimeStamper(unit.asn1, unit.private, fixed_dt=day(when))

    def blank(self, form=False):
        """One page; with `form` a text field on it."""
        writer = PdfFileWriter()
        content = writer.add_object(StreamObject(stream_data=b"q Q"))
        box = ArrayObject([FloatObject(v) for v in (0, 0, 595, 842)])
        page = writer.insert_page(PageObject(contents=content, media_box=box, resources=DictionaryObject()))
        if form:
            field = DictionaryObject({
                pdf_name("/FT"): pdf_name("/Tx"), pdf_name("/T"): pdf_string("Price"), pdf_name("/Type"): pdf_name("/Annot"),
                pdf_name("/Subtype"): pdf_name("/Widget"), pdf_name("/P"): page,
                pdf_name("/Rect"): ArrayObject([FloatObject(v) for v in (50, 50, 200, 70)])})
            reference = writer.add_object(field)
            page.get_object()["/Annots"] = ArrayObject([reference])
            writer.root["/AcroForm"] = DictionaryObject({pdf_name("/Fields"): ArrayObject([reference])})
        out = io.BytesIO()
        writer.write(out)
        return out.getvalue()

    def pdf(self, who, base=None, *, field="Sig1", stamp=None, cades=True, digest="sha256", certify=None, pss=False, chain=True,
            **more):
        """A PDF signed by `who`."""
        metadata = PdfSignatureMetadata(
            field_name=field, md_algorithm=digest, subfilter=SigSeedSubFilter.PADES if cades else SigSeedSubFilter.ADOBE_PKCS7_DETACHED,
            certify=certify is not None, docmdp_permissions=certify or MDPPerm.FILL_FORMS, **more)
        writer = IncrementalPdfFileWriter(io.BytesIO(base or self.blank()))
        timestamper = self.stamper(stamp) if isinstance(stamp, str) else stamp
        return PdfSigner(metadata, signer=self.signer(who, chain, pss), timestamper=timestamper).sign_pdf(writer).getvalue()

    def long_term(self, who, stamp, when, base=None, field="Sig1"):
        """With a timestamp, and a DSS of a later day."""
        context = ValidationContext(
            trust_roots=[self.pki.root.asn1, self.pki.tsa_root.asn1], crls=self.pki.crls(when), allow_fetching=False, moment=day(when),
            revocation_mode="require", other_certs=[self.pki.ca.asn1])
        metadata = PdfSignatureMetadata(
            field_name=field, md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES, embed_validation_info=True,
            validation_context=context)
        writer = IncrementalPdfFileWriter(io.BytesIO(base or self.blank()))
        return PdfSigner(metadata, signer=self.signer(who), timestamper=self.stamper(stamp)).sign_pdf(writer).getvalue()

    def three_signers(self):
        """Signed by three, with all that says how things stood on 2 March 2025, and stamped on the day after."""
        data = None
        for field, who in (("Sig1", self.pki.alice), ("Sig2", self.pki.bob), ("Sig3", self.pki.rsa)):
            data = self.long_term(who, "2025-03-01", "2025-03-02", data, field)
        return self.stamp_document(data, "2025-03-03", self.pki.tsu)

    def stamp_document(self, data, when, unit):
        """A document timestamp by `unit`."""
        return PdfTimeStamper(self.stamper(when, unit)).timestamp_pdf(IncrementalPdfFileWriter(io.BytesIO(data)), "sha256").getvalue()

    def stamp_again(self, data, when, unit):
        """The status of the last document timestamp's unit put into the DSS, then a document timestamp over all."""
        context = ValidationContext(
            trust_roots=[self.pki.tsa_root.asn1], crls=[self.pki.tsa_root.crl(when)], allow_fetching=False, moment=day(when),
            revocation_mode="require")
        return PdfTimeStamper(self.stamper(when, unit)).update_archival_timestamp_chain(
            PdfFileReader(io.BytesIO(data)), context, in_place=False).getvalue()

    def cms(self, who, content, *, detached=True, cades=False, stamp=None, content_stamp=None, digest="sha256", pss=False):
        """A CMS signature by pyHanko; with `content_stamp` the content was stamped before."""
        signer = self.signer(who, pss=pss)
        if content_stamp:
            signer.signed_attr_prov_spec = CAdESSignedAttributeProviderSpec(
                CMSSignedAttributes(cades_signed_attrs=CAdESSignedAttrSpec(timestamp_content=True)), who.asn1, False,
                self.stamper(content_stamp))
        body = content if detached else cms.ContentInfo({"content_type": "data", "content": content})
        timestamper = self.stamper(stamp) if stamp else None
        made = asyncio.run(signer.async_sign_general_data(
            body, digest, detached=detached, use_cades=cades, timestamper=timestamper))
        return made.dump()

    def openssl(self, work, who, content, *options, more=()):
        """A CMS signature by openssl, by `who` and `more`."""
        arguments = ["openssl", "cms", "-sign", "-binary", "-outform", "DER", "-certfile", str(work / "ca.pem")]
        for index, person in enumerate([who, *more]):
            certificate, key = person.pem()
            (work / f"signer{index}.pem").write_bytes(certificate + key)
            arguments += ["-signer", str(work / f"signer{index}.pem")]
        (work / "content").write_bytes(content)
        done = subprocess.run([*arguments, *options, "-in", str(work / "content")], capture_output=True, check=True)
        return done.stdout


    def archive(self, data, content, when, unit, crls):
        """CRLs put into a CAdES signature, and archive-time-stamp-v3 over all, after the text of EN 319 122-1 §5.5: no library
        makes one."""
        info = cms.ContentInfo.load(data)
        signed = info["content"]
        signed["certificates"].append(cms.CertificateChoices("certificate", self.pki.ca.asn1))
        signed["crls"] = [cms.RevocationInfoChoice("crl", load_crl(crl)) for crl in crls]
        signer = signed["signer_infos"][0]
        digest = lambda octets: core.OctetString(hashlib.sha256(octets).digest()).dump()
        sequence = lambda *parts: core.Sequence(contents=b"".join(parts)).dump()
        attributes = [attribute["type"].dump() + value.dump()
                      for attribute in signer["unsigned_attrs"] for value in attribute["values"]]
        index = sequence(
            algos.DigestAlgorithm({"algorithm": "sha256"}).dump(),
            sequence(*(digest(member.dump()) for member in signed["certificates"])),
            sequence(*(digest(member.dump()) for member in signed["crls"])),
            sequence(*(digest(attribute) for attribute in attributes)))
        fields = ("version", "sid", "digest_algorithm", "signed_attrs", "signature_algorithm", "signature")
        message = (signed["encap_content_info"]["content_type"].dump() + hashlib.sha256(content).digest()
                   + b"".join(signer[field].dump() for field in fields) + index)
        token = asyncio.run(self.stamper(when, unit).async_timestamp(hashlib.sha256(message).digest(), "sha256"))
        attribute = lambda oid, value: cms.CMSAttribute.load(
            sequence(core.ObjectIdentifier(oid).dump(), core.SetOf(spec=core.Any, contents=value).dump()))
        token["content"]["signer_infos"][0]["unsigned_attrs"] = [attribute("0.4.0.19122.1.5", index)]
        signer["unsigned_attrs"].append(attribute("0.4.0.1733.2.4", token.dump()))
        return cms.ContentInfo.load(info.dump(force=True)).dump()


def countersigned(data):
    """With a countersignature, which is the signature itself: nobody judges it."""
    info = cms.ContentInfo.load(data)
    signer = info["content"]["signer_infos"][0]
    signer["unsigned_attrs"] = [cms.CMSAttribute({"type": "counter_signature", "values": [cms.SignerInfo.load(signer.dump())]})]
    return info.dump(force=True)


def without_certificate(data, unwanted):
    """`data` without a certificate in its set."""
    info = cms.ContentInfo.load(data)
    kept = [choice for choice in info["content"]["certificates"] if choice.chosen.dump() != unwanted]
    info["content"]["certificates"] = kept
    return info.dump(force=True)


def flip(data, needle, offset=0):
    """`data` with one bit changed where `needle` is."""
    changed = bytearray(data)
    changed[data.index(needle) + offset] ^= 1
    return bytes(changed)


def fill_in(data, text="12.50"):
    """The text field filled in by an update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    field = writer.root["/AcroForm"]["/Fields"].raw_get(0)
    field.get_object()["/V"] = pdf_string(text)
    writer.mark_update(field)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def overwrite_page(data):
    """The page's content replaced by an update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.add_object(StreamObject(stream_data=b"q 1 0 0 rg 0 0 100 100 re f Q"))
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def pdf_rows(table, maker, pki):
    """Signatures of PDFs."""
    good = maker.pdf(pki.alice)
    table.add("pdf-good", good)
    table.add("pdf-adobe", maker.pdf(pki.alice, cades=False))
    table.add("pdf-rsa", maker.pdf(pki.rsa))
    table.add("pdf-pss", maker.pdf(pki.rsa, pss=True))
    table.add("pdf-ed25519", maker.pdf(pki.edwards, digest="sha512"))
    table.add("pdf-sha1", maker.pdf(pki.rsa, digest="sha1", cades=False))
    table.add("pdf-expired", maker.pdf(pki.old))
    table.add("pdf-not-yet-valid", maker.pdf(pki.early))
    table.add("pdf-unknown-root", maker.pdf(pki.unknown, chain=False))
    table.add("pdf-revoked", maker.pdf(pki.revoked))
    table.add("pdf-wrong-usage", maker.pdf(pki.server, signer_key_usage=set()))
    table.add("pdf-no-revocation-data", good, crls=[])
    table.add("pdf-stale-revocation-data", good, crls=pki.crls("2025-08-01"))
    table.add("pdf-tampered", flip(good, b"595"))
    signature = re.search(rb"/Contents\s*<(?=[0-9a-fA-F]{8})", good).end()
    table.add("pdf-tampered-signature", tamper_value(good, signature))
    table.add("pdf-timestamped", maker.pdf(pki.alice, stamp="2025-03-01"))
    table.add("pdf-expired-but-timestamped", maker.pdf(pki.old, stamp="2025-03-01"), crls=pki.crls("2025-05-31") + pki.crls(NOW))
    table.add("pdf-timestamped-after-expiry", maker.pdf(pki.old, stamp="2025-07-01"), crls=pki.crls("2025-05-31") + pki.crls(NOW))
    table.add("pdf-timestamped-before-validity", maker.pdf(pki.early, stamp=maker.stamper("2026-03-01", pki.tsu2)), at="2029-09-01",
              crls=pki.crls("2028-12-31") + pki.crls("2029-09-01"))
    table.add("pdf-revoked-after-timestamp", maker.pdf(pki.revoked, stamp="2025-03-01"))
    table.add("pdf-revoked-before-timestamp", maker.pdf(pki.revoked, stamp="2025-07-01"))
    lt = maker.long_term(pki.alice, "2025-03-01", "2025-03-02")
    lta = maker.stamp_document(lt, "2025-03-03", pki.tsu)
    table.add("pdf-lt", lt, at="2025-03-03", crls=[])
    table.add("pdf-lta", lta, at="2025-03-04", crls=[])
    table.add("pdf-lt-expired", lt, at="2027-09-01", crls=[pki.tsa_root.crl("2027-09-01")])
    table.add("pdf-lta-expired", lta, at="2027-09-01", crls=[pki.tsa_root.crl("2027-09-01")])
    again = maker.stamp_again(lta, "2027-06-01", pki.tsu2)
    table.add("pdf-lta-twice-unit-expired", again, at="2035-09-01", crls=[pki.tsa_root.crl("2035-09-01")])
    table.add("pdf-lta-unit-expired", lta, at="2035-09-01", crls=[pki.tsa_root.crl("2035-09-01")])
    # What ttp/examples/validation_rate.rs and `semper bench` measure.
    table.add("pdf-three-signers-lta", maker.three_signers(), at="2025-03-04", crls=[])
    table.add("pdf-two-signers", maker.pdf(pki.bob, good, field="Sig2"))
    table.add("pdf-second-expired", maker.pdf(pki.old, good, field="Sig2"))
    table.add("pdf-page-overwritten", overwrite_page(good))
    form = maker.blank(form=True)
    table.add("pdf-form-filled-in", fill_in(maker.pdf(pki.alice, form)))
    table.add("pdf-certified-forms", fill_in(maker.pdf(pki.alice, form, certify=MDPPerm.FILL_FORMS)))
    table.add("pdf-certified-nothing", fill_in(maker.pdf(pki.alice, form, certify=MDPPerm.NO_CHANGES)))
    table.add("pdf-certified-then-signed", maker.pdf(pki.bob, maker.pdf(pki.alice, certify=MDPPerm.FILL_FORMS), field="Sig2"))
    table.add("pdf-certified-nothing-then-signed-by-update", sign_despite(maker, pki))
    table.add("pdf-certified-nothing-then-stamped",
              maker.stamp_document(maker.pdf(pki.alice, certify=MDPPerm.NO_CHANGES), "2025-08-01", pki.tsu))
    locked = fields.FieldMDPSpec(fields.FieldMDPAction.INCLUDE, fields=["Price"])
    table.add("pdf-field-locked", fill_in(lock(maker, pki, form, locked)))


def lock(maker, pki, form, spec):
    """Signed in a field that locks others."""
    writer = IncrementalPdfFileWriter(io.BytesIO(form))
    fields.append_signature_field(writer, fields.SigFieldSpec("Sig1", field_mdp_spec=spec))
    out = io.BytesIO()
    writer.write(out)
    return maker.pdf(pki.alice, out.getvalue())


def sign_despite(maker, pki):
    """A further signature where none is permitted: pyHanko would not, so its own check is switched off."""
    from pyhanko.sign.signers import pdf_signer  # pylint: disable=import-outside-toplevel
    base = maker.pdf(pki.alice, certify=MDPPerm.NO_CHANGES)
    kept = pdf_signer.PdfSigner._enforce_certification_constraints  # pylint: disable=protected-access
    pdf_signer.PdfSigner._enforce_certification_constraints = lambda self, reader: None
    try:
        return maker.pdf(pki.bob, base, field="Sig2")
    finally:
        pdf_signer.PdfSigner._enforce_certification_constraints = kept


def tamper_value(data, start):
    """The last octet of the signature value, within /Contents, changed."""
    end = data.index(b">", start)
    contents = bytes.fromhex(data[start:end].decode())
    info = cms.ContentInfo.load(contents)
    value = info["content"]["signer_infos"][0]["signature"].native
    at = contents.index(value) + len(value) - 1
    changed = contents[:at] + bytes([contents[at] ^ 1]) + contents[at + 1:]
    return data[:start] + changed.hex().encode() + data[end:]


def cms_rows(table, maker, pki, work):
    """Signatures of anything."""
    content = b"Sold: one mule, sound in wind and limb.\n" * 20
    table.add("cms-detached", maker.cms(pki.alice, content), content=content)
    table.add("cms-attached", maker.cms(pki.alice, content, detached=False))
    table.add("cms-cades-bes", maker.cms(pki.alice, content, cades=True), content=content)
    table.add("cms-cades-t", maker.cms(pki.alice, content, cades=True, stamp="2025-03-01"), content=content)
    table.add("cms-cades-t-expired", maker.cms(pki.old, content, cades=True, stamp="2025-03-01"), content=content,
              crls=pki.crls("2025-05-31") + pki.crls(NOW))
    stamped = maker.cms(pki.alice, content, cades=True, stamp="2025-03-01")
    archived = maker.archive(stamped, content, "2026-06-01", pki.tsu2, pki.crls("2026-05-30"))
    later = {"at": "2029-09-01", "crls": [pki.tsa_root.crl("2029-09-01")], "content": content}
    table.add("cms-cades-lta", archived, **later)
    table.add("cms-cades-lta-cut", without_certificate(archived, pki.ca.der), **later)
    for name, who, when in (("revoked", pki.revoked, "2025-07-01"), ("expired", pki.old, "2025-07-01"), ("good", pki.alice, "2025-07-01")):
        stamped = maker.cms(who, content, cades=True, content_stamp=when)
        table.add(f"cms-content-timestamp-then-{name}", stamped, content=content, crls=pki.crls("2025-05-31") + pki.crls(NOW))
    table.add("cms-content-timestamp-contradicts",
              maker.cms(pki.old, content, cades=True, stamp="2025-03-01", content_stamp="2025-04-01"), content=content,
              crls=pki.crls("2025-05-31") + pki.crls(NOW))
    table.add("cms-countersigned", countersigned(maker.cms(pki.alice, content)), content=content)
    table.add("cms-pss", maker.cms(pki.rsa, content, pss=True), content=content)
    table.add("cms-ed25519", maker.cms(pki.edwards, content, digest="sha512"), content=content)
    table.add("cms-sha1", maker.cms(pki.rsa, content, digest="sha1"), content=content)
    table.add("cms-wrong-content", maker.cms(pki.alice, content), content=content + b"!")
    table.add("cms-expired", maker.cms(pki.old, content), content=content)
    table.add("cms-revoked", maker.cms(pki.revoked, content), content=content)
    table.add("cms-unknown-root", maker.cms(pki.unknown, content), content=content)
    table.add("cms-openssl", maker.openssl(work, pki.alice, content), content=content)
    table.add("cms-openssl-streamed", maker.openssl(work, pki.alice, content, "-nodetach", "-stream"))
    table.add("cms-openssl-no-attributes", maker.openssl(work, pki.alice, content, "-noattr"), content=content)
    table.add("cms-openssl-key-id", maker.openssl(work, pki.alice, content, "-keyid"), content=content)
    table.add("cms-openssl-cades", maker.openssl(work, pki.alice, content, "-cades"), content=content)
    table.add("cms-openssl-pss", maker.openssl(work, pki.rsa, content, "-keyopt", "rsa_padding_mode:pss"), content=content)
    table.add("cms-openssl-two-signers", maker.openssl(work, pki.alice, content, more=[pki.bob]), content=content)
    table.add("cms-openssl-without-certificates", maker.openssl(work, pki.alice, content, "-nocerts"), content=content)
    good = maker.cms(pki.alice, content)
    value = cms.ContentInfo.load(good)["content"]["signer_infos"][0]["signature"].native
    table.add("cms-tampered-signature", flip(good, value, len(value) - 1), content=content)
    table.add("cms-cut", good[:-20], content=content)


def main():
    """Makes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", required=True, type=Path, help="an empty folder")
    work = parser.parse_args().work
    logging.disable(logging.CRITICAL)
    pki = Pki()
    (work / "root.pem").write_bytes(pki.root.pem()[0])
    (work / "ca.pem").write_bytes(pki.ca.pem()[0])
    for name, entity in (("root", pki.root), ("ca", pki.ca), ("tsa-root", pki.tsa_root)):
        (work / f"{name}.der").write_bytes(entity.der)
    table, maker = Table(work, pki), Maker(pki)
    try:
        pdf_rows(table, maker, pki)
        cms_rows(table, maker, pki, work)
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc()
        return 1
    (work / "table.json").write_text(json.dumps(table.rows, indent=1))
    judged = []
    for at in sorted({row["at"] for row in table.rows}):
        # pyHanko's validation of the past begins at the real time, so it is run in the row's.
        environment = dict(os.environ, LD_PRELOAD=FAKETIME, FAKETIME=f"{at[:10]} {at[11:19]}", TZ="UTC", FAKETIME_DONT_FAKE_MONOTONIC="1")
        done = subprocess.run([sys.executable, "-B", str(Path(__file__).with_name("signatures_judge.py")), str(work), at],
                              env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(done.stderr, file=sys.stderr)
            return 1
        judged += json.loads(done.stdout)
    order = [row["name"] for row in table.rows]
    judged.sort(key=lambda row: order.index(row["name"]))
    (work / "table.json").write_text(json.dumps(judged, indent=1))
    print(f"ok      {len(judged)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
