"""A PKI of the tests' own with fixed times, for signatures.py: who signs, who stamps, and lists for any moment."""

import datetime

from asn1crypto import crl as asn1_crl
from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import NameOID


def day(text):
    """Midnight of a day, UTC."""
    return datetime.datetime.fromisoformat(text + "T00:00:00+00:00")


class Entity:
    """A key, its certificate, and who issued it."""

    def __init__(self, name, key, issuer, since, until, *, ca=False, eku=None, usage="sign", critical=True):
        self.name, self.key, self.issuer = name, key, issuer or self
        subject = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.subject = subject
        flags = {"sign": (True, True), "cipher": (False, False)}[usage]
        key_usage = x509.KeyUsage(
            digital_signature=flags[0] and not ca, content_commitment=flags[1] and not ca and not eku,
            key_encipherment=usage == "cipher", data_encipherment=False, key_agreement=False, key_cert_sign=ca, crl_sign=ca,
            encipher_only=False, decipher_only=False)
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.issuer.subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(day(since)).not_valid_after(day(until))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True).add_extension(key_usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.issuer.key.public_key()), critical=False))
        if eku:
            builder = builder.add_extension(x509.ExtendedKeyUsage([eku]), critical=critical)
        self.certificate = builder.sign(self.issuer.key, _hash(self.issuer.key))
        self.der = self.certificate.public_bytes(Encoding.DER)

    @property
    def asn1(self):
        """As asn1crypto has it."""
        return asn1_x509.Certificate.load(self.der)

    @property
    def private(self):
        """The key as asn1crypto has it."""
        return keys.PrivateKeyInfo.load(self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))

    def pem(self):
        """Certificate and key, for openssl."""
        return (self.certificate.public_bytes(Encoding.PEM),
                self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    def crl(self, this_update, days=7, revoked=()):
        """A list of this CA: `revoked` are pairs of an entity and a day."""
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.subject).last_update(day(this_update))
                   .next_update(day(this_update) + datetime.timedelta(days=days))
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
                   .add_extension(x509.CRLNumber(day(this_update).toordinal()), critical=False))
        for entity, when in revoked:
            entry = (x509.RevokedCertificateBuilder().serial_number(entity.certificate.serial_number).revocation_date(day(when))
                     .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False))
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _hash(key):
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def p256():
    """A key."""
    return ec.generate_private_key(ec.SECP256R1())


def rsa2048():
    """A key; pyHanko's own timestamping unit takes no other."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Pki:
    """All of it."""

    def __init__(self):
        self.root = Entity("Root", p256(), None, "2020-01-01", "2045-01-01", ca=True)
        self.ca = Entity("Signers CA", p256(), self.root, "2021-01-01", "2040-01-01", ca=True)
        self.tsa_root = Entity("Time Root", p256(), None, "2020-01-01", "2045-01-01", ca=True)
        self.tsu = Entity("Unit 1", rsa2048(), self.tsa_root, "2022-01-01", "2028-01-01", eku=Eku.TIME_STAMPING)
        # Made when the first had long been in use; stamps what the first stamped.
        self.tsu2 = Entity("Unit 2", rsa2048(), self.tsa_root, "2026-01-01", "2044-01-01", eku=Eku.TIME_STAMPING)
        self.stranger = Entity("Nobody's Root", p256(), None, "2020-01-01", "2045-01-01", ca=True)
        person = lambda name, key, since="2024-01-01", until="2027-01-01", **more: Entity(name, key, self.ca, since, until, **more)
        self.alice = person("Alice", p256())
        self.old = person("Olga, expired", p256(), "2022-01-01", "2025-06-01")
        self.revoked = person("Rita, revoked", p256())
        self.early = person("Eve, not yet valid", p256(), "2026-06-01", "2029-01-01")
        self.rsa = person("Robert, RSA", rsa2048())
        self.edwards = person("Edith, Ed25519", ed25519.Ed25519PrivateKey.generate())
        self.server = person("A cipher key", p256(), usage="cipher")
        self.unknown = Entity("Ulla, unknown", p256(), self.stranger, "2024-01-01", "2027-01-01")
        self.bob = person("Bob", p256())

    #: When Rita was revoked.
    REVOKED = "2025-05-01"

    def crls(self, this_update, days=7):
        """Lists of all CAs of a day."""
        revoked = [(self.revoked, self.REVOKED)] if day(this_update) >= day(self.REVOKED) else []
        return [self.root.crl(this_update, days), self.ca.crl(this_update, days, revoked), self.tsa_root.crl(this_update, days)]


def load_crl(der):
    """As asn1crypto has it."""
    return asn1_crl.CertificateList.load(der)
