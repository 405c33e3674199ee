"""An image of a consumer in Go, made here from nothing that has to be pulled."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from service_kit import engine_client

SOURCE = Path(__file__).parents[1] / "clients" / "contained"
CACHE = Path(__file__).parents[2] / ".tools" / "cache"
USER = 4321
"""Whom the image runs as: nobody who is known on this host."""
_SOURCES = ("go.mod", "go.sum", "main.go")
_BUILT = f"""
FROM scratch
COPY worker /worker
WORKDIR /app
ENV FLAVOUR=vanilla COLOUR=red
STOPSIGNAL SIGQUIT
USER {USER}
ENTRYPOINT ["/worker"]
CMD ["good"]
"""


def _program():
    """Return Go's program, which needs nothing but itself, built once."""
    said = b"".join((SOURCE / name).read_bytes() for name in _SOURCES)
    digest = hashlib.sha256(said + _BUILT.encode()).hexdigest()[:16]
    built = CACHE / f"contained-{digest}"
    if built.exists():
        return built, digest
    if (go := shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")) is None:
        if os.environ.get("CI"):
            pytest.fail("no program `go` (CI is set)", pytrace=False)
        pytest.skip("no program `go`: the image's worker cannot be built")
    CACHE.mkdir(parents=True, exist_ok=True)
    draft = built.with_name(f"{built.name}.{os.getpid()}")
    command = [go, "build", "-o", str(draft), "."]
    env = {**os.environ, "CGO_ENABLED": "0"}
    made = subprocess.run(command, cwd=SOURCE, env=env, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    draft.replace(built)
    return built, digest


def image():
    """Return the name of the image; it is made unless it is there. Skips where there is no engine."""
    client = engine_client()
    try:
        program, digest = _program()
        name = "mqchaos/contained"
        if not client.images.list(f"{name}:{digest}"):
            client.images.build(
                fileobj=_context(program), custom_context=True, tag=f"{name}:{digest}", rm=True
            )
        return f"{name}:{digest}"
    finally:
        client.close()


def _context(program):
    """Return what an engine builds the image from."""
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as tar:
        for name, data in (("worker", program.read_bytes()), ("Dockerfile", _BUILT.encode())):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
    found.seek(0)
    return found
