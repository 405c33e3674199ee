"""A file that the consumer appends to, one id or key a line, read as it grows."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Literal

__all__ = ["EffectsFile"]

_CHUNK = 1 << 20
_GUARD = 64
_HOOK = b"#effect_after "
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EffectsFile:
    """Reads the lines that were added to a file since the last look.

    A look at a file that did not change costs one `stat`. The file need not exist yet; it may be truncated,
    rewritten or replaced by another (a rotation): what was not read yet of the old one still counts, as far as
    it is still there. Line ends may be CRLF, blank lines are skipped, bytes that are not UTF-8 are kept as
    backslash escapes. A line `#probe` says that the probe is in use; `#` and `# ...` are comments (a key may
    begin with `#`). Safe to use from any thread.
    """

    def __init__(self, path: Path | str, *, comments: bool = True) -> None:
        """Keep the path; without `comments` every line that is not blank is one to be read."""
        self._comments = comments
        self.path = Path(path)
        self.probed = False
        """Whether the consumer has the probe (`#probe` was read)."""
        self.touched = False
        """Whether anything was ever written to the file."""
        self.wrapped = False
        """Whether the function that the test named as its effect was found and wrapped."""
        self.complaint = ""
        """Why it could not be, or why its calls name no message."""
        self._name = os.fspath(path)
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._closed = False
        self._identity = (0, 0)
        self._changed = 0
        """When it was changed last, as of the last look: one written anew may be as long as before."""
        self._offset = 0
        self._rest = b""
        self._guard = b""

    def read(self, *, final: bool = False) -> list[str]:
        """Return the complete lines added since the last call, in order.

        Args:
            final: nobody writes any more: a last line without a line end counts too.

        Raises:
            OSError: if the file is there and cannot be read.
        """
        with self._lock:
            names: list[str] = []
            if self._closed:
                return names
            try:
                status = os.stat(self._name)  # noqa: PTH116 - hot: asked before every settlement is passed on
            except FileNotFoundError:
                self._leave(names)
                return names
            if (status.st_dev, status.st_ino) != self._identity:
                self._leave(names)
                self._enter()
            elif (status.st_size, status.st_mtime_ns) == (self._offset, self._changed) and not (
                final and self._rest
            ):
                return names
            self._changed = status.st_mtime_ns
            self._drain(names)
            if final:
                self._finish(names)
            return names

    def close(self) -> None:
        """Close the file for good: `read` finds nothing more. May be called again."""
        with self._lock:
            self._closed = True
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _enter(self) -> None:
        self._descriptor = os.open(self._name, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self._descriptor)
        self._identity = (status.st_dev, status.st_ino)
        self._restart()

    def _leave(self, names: list[str]) -> None:
        """Take what is left of a file that its name no longer leads to."""
        if self._descriptor is not None:
            self._drain(names)
            self._finish(names)
            os.close(self._descriptor)
            self._descriptor = None
        self._identity = (0, 0)

    def _restart(self) -> None:
        self._offset = 0
        self._rest = self._guard = b""

    def _drain(self, names: list[str]) -> None:
        if self._descriptor is None:
            return
        size = os.fstat(self._descriptor).st_size
        if size < self._offset or self._rewritten():
            self._restart()
        while chunk := os.pread(self._descriptor, _CHUNK, self._offset):
            self.touched = True
            if self._offset == 0 and chunk.startswith(_BYTE_ORDER_MARK):
                self._rest = b""
                data = chunk[len(_BYTE_ORDER_MARK) :]
            else:
                data = self._rest + chunk
            self._offset += len(chunk)
            self._guard = (self._guard + chunk)[-_GUARD:]
            *lines, self._rest = data.split(b"\n")
            for line in lines:
                self._take(line, names)

    def _rewritten(self) -> bool:
        """Whether the bytes before the offset are others than those read: written anew, and longer."""
        if not self._guard or self._descriptor is None:
            return False
        start = self._offset - len(self._guard)
        return os.pread(self._descriptor, len(self._guard), start) != self._guard

    def _finish(self, names: list[str]) -> None:
        if self._rest:
            self._take(self._rest, names)
            self._rest = b""

    def _take(self, line: bytes, names: list[str]) -> None:
        line = line.rstrip(b"\r")
        if not line.strip():
            return
        kind = _comment(line) if self._comments else None
        if kind == "probe":
            self.probed = True
        elif kind == "hook":
            self._told(line)
        elif kind is None:
            names.append(line.decode("utf-8", "backslashreplace"))

    def _told(self, line: bytes) -> None:
        what = line.removeprefix(_HOOK).strip().decode("utf-8", "backslashreplace")
        if what == "wrapped":
            self.wrapped = True
        else:
            self.complaint = self.complaint or what


def _comment(line: bytes) -> Literal["probe", "hook", "comment"] | None:
    if not line.startswith(b"#"):
        return None
    if line.startswith(_HOOK):
        return "hook"
    if line.strip() == b"#probe":
        return "probe"
    return "comment" if not line[1:].strip() or line[1:2].isspace() else None
