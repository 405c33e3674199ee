"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a port of loopback, run by nobody special."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs; Debian does not put it on PATH."""
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[4]))
    found = [str(newest[-1])] if newest else [shutil.which("initdb")]
    return None if found[0] is None else Path(found[0]).resolve().parent


@contextmanager
def cluster(folder: Path) -> Iterator[int]:
    """Make a cluster and start it; yields its port. The superuser of the database is `shop`, and needs no password."""
    home = Path(tempfile.mkdtemp(prefix="shop-pg-"))
    other = _unprivileged(home)
    data = home / "data"
    initdb = [
        folder / "initdb",
        "-D",
        data,
        "-U",
        "shop",
        "--auth=trust",
        "--no-sync",
        "--no-locale",
        "-E",
        "UTF8",
    ]
    made = subprocess.run(initdb, cwd=home, capture_output=True, text=True, timeout=60, check=False, **other)
    if made.returncode:
        raise RuntimeError(f"initdb: {made.stderr}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [folder / "postgres", "-D", data, *options], cwd=home, stdout=log, stderr=log, **other
        )
    try:
        _await(server, port, home / "log")
        yield port
    finally:
        server.send_signal(signal.SIGINT)  # its "fast" shutdown
        server.wait(30)
        shutil.rmtree(home)


def _unprivileged(home: Path) -> dict[str, Any]:
    """Return how to start a program as somebody else if we are root, whom PostgreSQL refuses."""
    if os.getuid():
        return {}
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    os.chown(home, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _await(server: subprocess.Popen[bytes], port: int, log: Path, timeout: float = 30.0) -> None:
    """Wait until the server lets us in."""
    import psycopg

    deadline = time.monotonic() + timeout
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="shop", dbname="postgres").close()
            return
        except psycopg.OperationalError as error:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"postgres within {timeout:g} s: {error}; {log.read_text()}") from None
            time.sleep(0.05)
