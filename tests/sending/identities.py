"""Certificates and keys as webhooks have them: PEM texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dispatcher.values import Identity

if TYPE_CHECKING:
    import trustme


def authority_of(ca: trustme.CA) -> str:
    return ca.cert_pem.bytes().decode()


def chain_of(leaf: trustme.LeafCert) -> str:
    return b"".join(pem.bytes() for pem in leaf.cert_chain_pems).decode()


def key_of(leaf: trustme.LeafCert) -> str:
    return leaf.private_key_pem.bytes().decode()


def identity_of(
    ca: trustme.CA, client: trustme.LeafCert | None = None, **more: Any
) -> Identity:
    """Trusts `ca`, and shows the certificate of `client`."""
    if client is not None:
        more |= {"client_certificate": chain_of(client), "client_key": key_of(client)}
    return Identity(ca_certificates=authority_of(ca), **more)
