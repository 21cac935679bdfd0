"""osslsigncode: signs a small PE program with a timestamp from the server, and verifies the timestamp up to our root."""

import shutil
import struct
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import check
from tsp import post


def portable_executable():
    """The smallest PE32+ image that signers accept: one section, whose code is a single `ret`."""
    file_alignment = section_alignment = 0x200
    code = b"\xc3".ljust(file_alignment, b"\x00")
    dos = b"MZ".ljust(0x3C, b"\x00") + struct.pack("<I", 0x40)
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 0xF0, 0x0022)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, len(code), 0, 0, 0x200, 0x200)
    optional += struct.pack("<QIIHHHHHHIIIIHH", 0x140000000, section_alignment, file_alignment, 6, 0, 0, 0, 6, 0, 0,
                            0x400, 0x200, 0, 3, 0)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16) + bytes(16 * 8)
    section = b".text".ljust(8, b"\x00") + struct.pack("<IIIIIIHHI", 1, 0x200, len(code), 0x200, 0, 0, 0, 0, 0x60000020)
    headers = dos + b"PE\x00\x00" + coff + optional + section
    assert len(optional) == 0xF0 and len(headers) <= 0x200
    return headers.ljust(0x200, b"\x00") + code


def fetch_crl(arguments):
    """The CRL that the TSU certificate names, from the server under test, as PEM."""
    signer = x509.load_pem_x509_certificates((arguments.trust / "tsa-chain.pem").read_bytes())[0]
    [point] = signer.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    answer = post(arguments.url, urlsplit(point.full_name[0].value).path, None, headers={}, method="GET")
    assert answer.status == 200, f"no CRL at {point.full_name[0].value}: HTTP {answer.status}"
    return x509.load_der_x509_crl(answer.body).public_bytes(Encoding.PEM)


def main(arguments, checks):
    work = arguments.work
    program = work / "program.exe"
    program.write_bytes(portable_executable())
    key, certificate = work / "author.key", work / "author.pem"
    code, text = check.command(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "30",
        "-subj", "/CN=An author", "-addext", "extendedKeyUsage=codeSigning", "-addext", "keyUsage=critical,digitalSignature")
    assert code == 0, text
    stranger = work / "stranger.pem"
    code, text = check.command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", work / "stranger.key",
                               "-out", stranger, "-days", "30", "-subj", "/CN=Somebody else")
    assert code == 0, text

    revocations = work / "tsa-crl.pem"
    revocations.write_bytes(fetch_crl(arguments))
    # The TSU certificate names its CRL at the authority's public address, which a test server does not have; so the CRL is
    # given as a file. Releases from 2.6 on must be told not to try; older ones do not know the option.
    _, usage = check.command("osslsigncode", "verify", "--help")
    offline = ("-ignore-cdp",) if "-ignore-cdp" in usage else ()
    for path in ("/tsa", "/tsa/rsa"):
        signed = work / f"{path.replace('/', '-')[1:]}.exe"
        code, text = check.command("osslsigncode", "sign", "-certs", certificate, "-key", key, "-h", "sha256",
                                   "-ts", arguments.url + path, "-in", program, "-out", signed)
        if not checks.that(f"{path}: signs with a timestamp", code == 0 and "Succeeded" in text, text):
            continue

        def verify(root):
            return check.command("osslsigncode", "verify", *offline, "-CAfile", certificate, "-TSA-CAfile", root,
                                 "-TSA-CRLfile", revocations, signed)

        code, text = verify(arguments.trust / "root.pem")
        checks.that(f"{path}: program and timestamp verify", code == 0 and "Timestamp Server Signature verification: ok" in text and
                    "Signature verification: ok" in text, text)
        code, text = verify(stranger)
        checks.that(f"{path}: under another root the timestamp fails", "Timestamp Server Signature verification: ok" not in text, text)


if __name__ == "__main__":
    if not shutil.which("osslsigncode"):
        raise SystemExit("osslsigncode is missing: run ops/setup.sh")
    check.run(main)
