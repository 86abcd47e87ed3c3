"""The spool's folder: who may look into it, which files are in it, and whose they are.

A process owns the files that begin with its name there, for as long as it holds the lock beside them; the kernel
lets go of the lock when the process ends, however it ends. Then the files are for the next process, which gives them
names of its own: however many processes have died, one lock is held.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LOCK: Final = ".lock"
_FILE: Final = re.compile(r"(\d+-[0-9a-f]{12})\.\d{8}\.([rc])\.spool")
_LOCK_FILE: Final = re.compile(r"(\d+-[0-9a-f]{12})\.lock")


class Folder:
    """An open folder. Files in it are named without their path, and never followed where they are links.

    Raises:
        OSError: from each method, where the disk or the rights do not allow it.
    """

    def __init__(self, path: Path) -> None:
        """Open a folder, making it where it is not there: for its owner only."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(self._fd).st_uid != os.geteuid():
                raise PermissionError(0, "it belongs to somebody else", str(path))
            os.fchmod(self._fd, 0o700)
        except OSError:
            os.close(self._fd)
            raise

    def create(self, name: str) -> int:
        """A new file, open for writing; nobody but its owner may read it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=self._fd)

    def read(self, name: str) -> bytes:
        """The whole file."""
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(0, "no regular file", name)
            return file.read()

    def write_at(self, name: str, place: int, data: bytes, fd: int | None = None) -> None:
        """Overwrite a few bytes of a file; `fd`: where it is open already, by this."""
        if fd is not None:
            os.pwrite(fd, data, place)
            return
        fd = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        try:
            os.pwrite(fd, data, place)
        finally:
            os.close(fd)

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is removed."""
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)

    def is_at(self, path: Path) -> bool:
        """Whether it is what stands there now."""
        try:
            return os.path.samestat(path.lstat(), os.fstat(self._fd))
        except OSError:
            return False

    def sizes(self) -> dict[str, tuple[int, float]]:
        """Each spool file's bytes, and when it was last written (seconds since the epoch)."""
        found = {}
        with os.scandir(self._fd) as entries:
            for entry in entries:
                if is_spool_file(entry.name):
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        found[entry.name] = (status.st_size, status.st_mtime)
        return found

    def locks(self) -> set[str]:
        """The owners that have a lock, alive or not."""
        with os.scandir(self._fd) as entries:
            return {found[1] for entry in entries if (found := _LOCK_FILE.fullmatch(entry.name))}

    def own(self) -> Owner:
        """Become the owner of files to come."""
        while True:
            name = f"{os.getpid()}-{secrets.token_hex(6)}"
            fd = self.create(name + _LOCK)
            owner = self._locked(name, fd)
            if owner is not None:
                return owner

    def inherit(self, owner: str, names: Iterable[str], name: Callable[[bool], str]) -> dict[str, str] | None:
        """Give a dead owner's files names of ours, made of their class; None where it lives, or has another heir."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = self._locked(owner, os.open(owner + _LOCK, flags, 0o600, dir_fd=self._fd))
        if lock is None:
            return None
        given: dict[str, str] = {}
        is_empty = False
        try:
            for old in names:
                new = name(is_of_rule(old))
                with suppress(FileNotFoundError):  # another heir was quicker
                    os.rename(old, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)
                    given[old] = new
            is_empty = True
        finally:
            self.release(lock, is_empty=is_empty)
        return given

    def _locked(self, name: str, fd: int) -> Owner | None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            there = os.stat(name + _LOCK, dir_fd=self._fd, follow_symlinks=False)
            if there.st_ino == os.fstat(fd).st_ino:
                return Owner(name, fd)
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(fd)
        return None

    def release(self, owner: Owner, *, is_empty: bool) -> None:
        """Own no longer; where nothing is left of the owner's files, its lock goes too."""
        if is_empty:
            self.remove(owner.name + _LOCK)
        os.close(owner.fd)

    def close(self) -> None:
        """Close the folder."""
        os.close(self._fd)


@dataclass(frozen=True, slots=True)
class Owner:
    """A name whose files are ours, and the lock that says so."""

    name: str
    fd: int


def file_name(owner: Owner, number: int, *, by_rule: bool) -> str:
    """The name of an owner's next file, which says what class of spans is in it."""
    return f"{owner.name}.{number:08d}.{'r' if by_rule else 'c'}.spool"


def is_spool_file(name: str) -> bool:
    """Whether it is a file of ours."""
    return _FILE.fullmatch(name) is not None


def is_of_rule(name: str) -> bool:
    """Whether what a rule kept is in it."""
    return name.endswith(".r.spool")


def owner_of(name: str) -> str:
    """Whose a file is, by its name."""
    return name.partition(".")[0]
