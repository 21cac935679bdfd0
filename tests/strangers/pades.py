"""pyHanko: signs a PDF as PAdES-T (a baseline signature with a timestamp) and adds a document timestamp, all with
timestamps from the server, and validates both with our root as the only anchor for time."""

import datetime
import io
import logging

from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, FloatObject, StreamObject
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfTimeStamper, SimpleSigner
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSigner
from pyhanko.sign.timestamps import HTTPTimeStamper
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

import check


def blank_pdf():
    """One empty A4 page."""
    writer = PdfFileWriter()
    content = writer.add_object(StreamObject(stream_data=b"q Q"))
    box = ArrayObject([FloatObject(v) for v in (0, 0, 595, 842)])
    writer.insert_page(PageObject(contents=content, media_box=box, resources=DictionaryObject()))
    file = io.BytesIO()
    writer.write(file)
    file.seek(0)
    return file


def author():
    """A self-signed author; returns the signer and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "An author")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.KeyUsage(True, True, False, False, False, False, False, False, False), critical=True)
        .sign(key, hashes.SHA256()))
    loaded = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    private = keys.PrivateKeyInfo.load(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    return SimpleSigner(signing_cert=loaded, signing_key=private, cert_registry=SimpleCertificateStore()), loaded


def main(arguments, checks):
    pem = (arguments.trust / "root.pem").read_bytes()
    root = asn1_x509.Certificate.load(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))
    signer, certificate = author()
    # The checks that must fail would print pyHanko's stack traces, which look like a fault of the test.
    logging.disable(logging.CRITICAL)
    for path in ("/tsa", "/tsa/rsa"):
        stamper = HTTPTimeStamper(arguments.url + path, timeout=30)
        metadata = PdfSignatureMetadata(field_name="Author", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES)
        signed = PdfSigner(metadata, signer=signer, timestamper=stamper).sign_pdf(IncrementalPdfFileWriter(blank_pdf()))
        checks.that(f"{path}: PAdES-T signature made", signed.getbuffer().nbytes > 2000)
        # A document timestamp over the signed document, as PAdES-LTA puts one.
        signed.seek(0)
        stamped = PdfTimeStamper(stamper).timestamp_pdf(IncrementalPdfFileWriter(signed), "sha512")
        (arguments.work / f"{path.replace('/', '-')[1:]}.pdf").write_bytes(stamped.getvalue())

        reader = PdfFileReader(io.BytesIO(stamped.getvalue()))
        # Offline, and without anchors of the operating system: the author for the signature, our root for time.
        by_author = ValidationContext(trust_roots=[certificate], allow_fetching=False)
        by_root = ValidationContext(trust_roots=[root], allow_fetching=False)
        [signature], [timestamp] = reader.embedded_regular_signatures, reader.embedded_timestamp_signatures
        status = validate_pdf_signature(signature, signer_validation_context=by_author, ts_validation_context=by_root)
        checks.that(f"{path}: PAdES-T signature valid and trusted", status.bottom_line, status.pretty_print_details)
        stamp = status.timestamp_validity
        if checks.that(f"{path}: it carries a timestamp", stamp is not None):
            checks.that(f"{path}: its timestamp is valid and trusted up to our root", stamp.valid and stamp.intact and stamp.trusted)
            age = datetime.datetime.now(datetime.timezone.utc) - stamp.timestamp
            checks.that(f"{path}: its time is now", abs(age) < datetime.timedelta(seconds=30), str(stamp.timestamp))
        status = validate_pdf_timestamp(timestamp, by_root)
        checks.that(f"{path}: document timestamp valid and trusted", status.valid and status.intact and status.trusted, status.summary)

        strange = ValidationContext(trust_roots=[certificate], allow_fetching=False)
        status = validate_pdf_timestamp(timestamp, strange)
        checks.that(f"{path}: under another root it is not trusted", not status.trusted)
        bad = bytearray(stamped.getvalue())
        at = bad.index(b"595")  # the width of the page, covered by every signature
        bad[at] ^= 1
        reader = PdfFileReader(io.BytesIO(bytes(bad)))
        status = validate_pdf_timestamp(reader.embedded_timestamp_signatures[0],
                                        ValidationContext(trust_roots=[root], allow_fetching=False))
        checks.that(f"{path}: a changed page breaks the document timestamp", not (status.intact and status.valid),
                    status.summary)


if __name__ == "__main__":
    check.run(main)
