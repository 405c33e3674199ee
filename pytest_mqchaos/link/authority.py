"""The certificate authority of one run: it signs the certificate of the links that speak TLS to their clients.

Its private key is never written; that of the links' certificate is in a file of our own for the moment in which
`ssl` reads it (it reads files only). Whoever trusts the authority trusts this run, and nothing after it.
"""

from __future__ import annotations

import os
import ssl
import threading
from pathlib import Path

from pytest_mqchaos.errors import UsageError

__all__ = ["Authority"]

_NAMES = ("localhost", "127.0.0.1", "::1", "host.docker.internal")
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep the authorities that they trust, in one file."""


class Authority:
    """Makes certificates at its first use; safe from any thread.

    Args:
        directory: where the files for clients go; they hold certificates, and no key.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return how a link speaks TLS to its clients.

        Raises:
            UsageError: if the library that makes certificates is not installed.
        """
        __tracebackhide__ = True
        with self._lock:
            if self._context is None:
                self._context = self._make()
            return self._context

    def trust(self) -> dict[str, str]:
        """Return the variables by which a client comes to trust the links, each the path of a file.

        `MQCHAOS_CA` is the authority alone, for who sets up TLS himself. What OpenSSL and Go read
        (`SSL_CERT_FILE`) replaces the system's own file, and Node's takes one only: so these two hold what
        is trusted here already, and the authority besides.
        """
        self.context()
        return {
            "MQCHAOS_CA": str(self._directory / "ca.pem"),
            "SSL_CERT_FILE": str(self._directory / "trusted.pem"),
            "NODE_EXTRA_CA_CERTS": str(self._directory / "trusted-node.pem"),
        }

    def _make(self) -> ssl.SSLContext:
        __tracebackhide__ = True
        try:
            import trustme
        except ImportError:
            raise UsageError(
                "consumer(tls=True): certificates are made by trustme, which is not installed: "
                "pip install 'pytest-mqchaos[tls]'"
            ) from None
        authority = trustme.CA(organization_name="pytest-mqchaos", organization_unit_name="one run")
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.num_tickets = 0  # each connection stands for itself
        authority.issue_cert(*_NAMES).configure_cert(made)
        own = authority.cert_pem.bytes()
        (self._directory / "ca.pem").write_bytes(own)
        (self._directory / "trusted.pem").write_bytes(_trusted() + own)
        (self._directory / "trusted-node.pem").write_bytes(_read(os.environ.get("NODE_EXTRA_CA_CERTS")) + own)
        return made


def _trusted() -> bytes:
    """Return the authorities that OpenSSL trusts here; those in a folder it reads in any case."""
    known = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_BUNDLES)
    return next(filter(None, map(_read, known)), b"")


def _read(path: str | None) -> bytes:
    try:
        return Path(path).read_bytes().rstrip() + b"\n" if path else b""
    except OSError:
        return b""
