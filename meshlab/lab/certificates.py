"""A small certificate authority that gives every workload its SPIFFE identity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority", "Credentials"]

_CLOCK_SKEW: Final = timedelta(minutes=5)
_LIFETIME: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM texts of one workload: its chain, its private key, and the root that it trusts."""

    certificate: bytes
    key: bytes
    root: bytes


class Authority:
    """A certificate authority whose private key lives only in this process's memory.

    Parameters
    ----------
    trust_domain : str
        For the root's own name, such as ``cluster.local``.
    now : datetime
        Aware; the root is valid from five minutes before to 30 days after.
    """

    def __init__(self, trust_domain: str, now: datetime) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, trust_domain)])
        self._root = (
            self._builder(self._name, self._key.public_key(), now, now + _LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def issue(self, principal: str, now: datetime, lifetime: timedelta = _LIFETIME) -> Credentials:
        """Issue a leaf certificate: empty subject, the principal as its only name, for both roles of TLS.

        Parameters
        ----------
        principal : str
            SPIFFE identity.
        now : datetime
            Aware; it is valid from five minutes before.
        lifetime : timedelta
            From now on.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = (
            self._builder(x509.Name([]), key.public_key(), now, now + lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(principal)]), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        return Credentials(
            certificate=leaf.public_bytes(pem),
            key=key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
            root=self._root.public_bytes(pem),
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, end: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(end)
        )


def _usage(*, sign: bool) -> x509.KeyUsage:
    unused = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    flags = dict.fromkeys((*unused, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=not sign, key_cert_sign=sign, crl_sign=sign, **flags)
