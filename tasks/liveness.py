"""Who is at work on something: a process that others can find dead."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache

import psutil

_CLOCK_S = 2.0  # by which two readings of a process' beginning may differ


class LostTrialError(RuntimeError):
    """Another worker has taken this trial for abandoned, or the sweep was stopped."""


@dataclass(frozen=True)
class Owner:
    """A process of a machine, told by its beginning from a later one with the same number, and a worker in it."""

    host: str
    pid: int
    began: float  # seconds since 1970
    worker: str = ""

    @classmethod
    def me(cls, worker: str = "") -> Owner:
        """The process that asks."""
        return cls(socket.gethostname(), os.getpid(), _began(os.getpid()), worker)

    @property
    def is_near(self) -> bool:
        """It is, or was, on this machine: whether it is alive can be seen."""
        return self.host == socket.gethostname()

    def works_for(self, worker: str) -> bool:
        """It is `worker`, or one of those below it: `group/0` is below `group`."""
        return bool(worker) and (self.worker == worker or self.worker.startswith(f"{worker}/"))

    @property
    def is_dead(self) -> bool:
        """It is known to have ended. Of processes on other machines that is not known."""
        if not self.is_near:
            return False
        if self.pid == os.getpid():  # whatever has been done to the clock meanwhile
            return self.began != _began(self.pid)
        try:
            process = psutil.Process(self.pid)
            another = abs(process.create_time() - self.began) > _CLOCK_S
            return bool(another or process.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True


@cache
def _began(pid: int) -> float:
    return float(psutil.Process(pid).create_time())
