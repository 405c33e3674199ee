"""The certificates of a run: who trusts its authority trusts its links, by any of their names, and nobody else's."""

from __future__ import annotations

import ssl
import stat
import sys
from pathlib import Path

import pytest

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.link.authority import Authority


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """Shake hands in memory; raises what the client finds wrong."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(up, down, server_side=True)
    theirs = client.wrap_bio(down, up, server_hostname=name)
    open_ = {theirs: False, ours: False}
    for _ in range(5):
        for end in open_:
            try:
                end.do_handshake()
                open_[end] = True
            except ssl.SSLWantReadError:
                pass
    assert all(open_.values())


def trusting(path: str) -> ssl.SSLContext:
    """A client that trusts a file and nothing else, as strictly as Python can."""
    made = ssl.create_default_context(cafile=path)
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    return made


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.parametrize("variable", ["MQCHAOS_CA", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"])
def test_each_file_makes_the_links_trusted(tmp_path: Path, name: str, variable: str) -> None:
    """By each of the files, and under each name of this host, the certificate is good."""
    authority = Authority(tmp_path)
    handshake(authority.context(), trusting(authority.trust()[variable]), name)


def test_another_name_is_not_trusted(tmp_path: Path) -> None:
    """The certificate is for this host alone."""
    authority = Authority(tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(authority.context(), trusting(authority.trust()["MQCHAOS_CA"]), "broker.example")


def test_runs_do_not_trust_each_other(tmp_path: Path) -> None:
    """Each run has an authority of its own."""
    (tmp_path / "other").mkdir()
    one, other = Authority(tmp_path), Authority(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        handshake(one.context(), trusting(other.trust()["MQCHAOS_CA"]), "localhost")


def test_what_was_trusted_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables replace what clients trust by default: so their files hold that too."""
    (tmp_path / "system.pem").write_text("# the system's")
    (tmp_path / "node.pem").write_text("# Node's\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(tmp_path / "node.pem"))
    trust = {name: Path(path).read_text() for name, path in Authority(tmp_path).trust().items()}
    own = trust["MQCHAOS_CA"]
    assert own.startswith("-----BEGIN CERTIFICATE-----")
    assert trust["SSL_CERT_FILE"] == f"# the system's\n{own}"
    assert trust["NODE_EXTRA_CA_CERTS"] == f"# Node's\n{own}"


def test_no_key_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ssl` reads keys from files only: it is gone once that was done, and was nobody else's to read."""
    seen: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def spy(self: ssl.SSLContext, path: str) -> None:
        seen.append(stat.S_IMODE(Path(path).stat().st_mode))
        load(self, path)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", spy)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Authority(tmp_path).trust()
    assert seen == [0o600]
    assert not [path for path in tmp_path.iterdir() if "PRIVATE KEY" in path.read_text()]


def test_it_is_made_at_its_first_use_and_once(tmp_path: Path) -> None:
    """A run without TLS has no certificates, one with it has one for all links."""
    authority = Authority(tmp_path)
    assert list(tmp_path.iterdir()) == []
    context, own = authority.context(), (tmp_path / "ca.pem").read_bytes()
    assert authority.context() is context
    assert Path(authority.trust()["MQCHAOS_CA"]).read_bytes() == own


def test_without_the_extra_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names what to install."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(UsageError) as raised:
        Authority(tmp_path).context()
    assert str(raised.value) == (
        "consumer(tls=True): certificates are made by trustme, which is not installed: "
        "pip install 'pytest-mqchaos[tls]'"
    )
