"""Signals that reach the supervisor: received as events, with the word whether the kernel (a terminal) sent them.

They are blocked and read from a signalfd where there is one (Linux); elsewhere handlers write to a pipe, and every
INT, QUIT and TSTP is taken to come from the terminal. A signal that was ignored when we started stays ignored (nohup).
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from typing import Any, NamedTuple

_FORWARDED = (
    *("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU"),
    *("SIGTSTP", "SIGCONT"),
)
_OWN = ("SIGCHLD", "SIGWINCH")
# What a person or a batch system sends who wants an end.
END_WANTED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
_SIGINFO = struct.Struct("<IiiI")
_SIGINFO_BYTES = 128
_SI_KERNEL = 0x80
_SFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC


class Received(NamedTuple):
    """One signal, and whether the kernel sent it, as a terminal's ^C does, or a process."""

    number: int
    from_kernel: bool


class Signals:
    """Collects signals from its making until `close`; `descriptor` becomes readable when one has come.

    `ignored_before`: what was ignored when we started and cannot be by us; the child is to have it as it was.
    """

    def __init__(self) -> None:
        self.ignored_before: tuple[int, ...] = ()
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # children would vanish, and with them how they ended
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self.ignored_before = (signal.SIGCHLD,)
        names = _FORWARDED + _OWN
        wanted = {getattr(signal, name) for name in names if hasattr(signal, name)}
        self._numbers = {number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN}
        self.mask_before = {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())}
        self._handlers: dict[int, object] = {}
        self._pipe_write: int | None = None
        descriptor = _signalfd(self._numbers)
        if descriptor is not None:
            signal.pthread_sigmask(signal.SIG_BLOCK, self._numbers)
            self.descriptor = descriptor
        else:
            self._install_handlers()

    def receive(self) -> list[Received]:
        """What has come since the last call; never waits."""
        try:
            data = os.read(self.descriptor, _SIGINFO_BYTES * 32)
        except BlockingIOError:
            return []
        if self._pipe_write is not None:
            return [Received(number, number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)) for number in data]
        found = []
        for start in range(0, len(data), _SIGINFO_BYTES):
            number, _, code, _ = _SIGINFO.unpack_from(data, start)
            found.append(Received(number, code == _SI_KERNEL))
        return found

    def close(self) -> None:
        """Let signals act again as they did before, for us or for a process forked from us."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        if self._pipe_write is not None:
            signal.set_wakeup_fd(-1)
            os.close(self._pipe_write)
        os.close(self.descriptor)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask_before)

    def _install_handlers(self) -> None:
        self.descriptor, self._pipe_write = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._pipe_write, False)
        signal.set_wakeup_fd(self._pipe_write, warn_on_full_buffer=False)
        for number in self._numbers:
            self._handlers[number] = signal.signal(number, lambda *_: None)


def stop_job(*, group: bool) -> None:
    """Stop this process, or its whole group, as a terminal's suspend key does; returns when it is continued.

    Where nobody could continue it (an orphaned group: `ssh -t host kwrap run …`) the system ignores that, and so do we.
    """
    if signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN:
        return
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTSTP})
    os.kill(0 if group else os.getpid(), signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    signal.signal(signal.SIGTSTP, handler)


def become_subreaper() -> bool:
    """Have orphaned descendants handed to us, so that they can be waited for. Linux only."""
    libc = _libc()
    if libc is None:
        return False
    set_child_subreaper = 36  # PR_SET_CHILD_SUBREAPER, linux/prctl.h
    return bool(libc.prctl(set_child_subreaper, 1, 0, 0, 0) == 0)


def die_of(number: int) -> None:
    """End this process by a signal, so that its parent sees how the child ended; returns only if that fails."""
    _no_core()
    if number not in (signal.SIGKILL, signal.SIGSTOP):  # these are never anything else
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)


def _no_core() -> None:
    """The child may have dumped its core; a second one, of ours, would bury it."""
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    except (ValueError, OSError):
        pass


def _libc() -> Any:
    """The C library of a Linux; None elsewhere, and for a Python that was built without libffi."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes
    except ImportError:
        return None
    return ctypes.CDLL(None, use_errno=True)


def _signalfd(numbers: set[int]) -> int | None:
    libc = _libc()
    if not hasattr(libc, "signalfd"):
        return None
    import ctypes

    mask = (ctypes.c_ulong * (1024 // (8 * ctypes.sizeof(ctypes.c_ulong))))()  # glibc's and musl's sigset_t: 1024 bits
    for number in numbers:
        bits = 8 * ctypes.sizeof(ctypes.c_ulong)
        mask[(number - 1) // bits] |= 1 << ((number - 1) % bits)
    descriptor = libc.signalfd(-1, mask, _SFD_NONBLOCK_CLOEXEC)
    return descriptor if descriptor >= 0 else None
