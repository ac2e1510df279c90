"""Who is at work: processes that live, have ended, or have left their number to another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace

import psutil
import pytest

from wattcast.tasks.liveness import Owner


@contextmanager
def another_process() -> Iterator[tuple[subprocess.Popen[str], Owner]]:
    """One that says who it is and lives until its input is closed."""
    program = """
import json, sys
from dataclasses import asdict
from wattcast.tasks.liveness import Owner
print(json.dumps(asdict(Owner.me("there"))), flush=True)
sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as process:
        assert process.stdout
        yield process, Owner(**json.loads(process.stdout.readline()))


def test_who_asks_is_alive() -> None:
    me = Owner.me("a/0")
    assert (me.pid, me.worker, me.is_near, me.is_dead) == (os.getpid(), "a/0", True, False)
    assert Owner(**json.loads(json.dumps(asdict(me)))) == me  # as studies and runs keep it
    assert replace(me, worker="") == Owner.me()


def test_a_process_is_alive_until_it_ends_and_a_zombie_has_ended() -> None:
    with another_process() as (process, owner):
        assert (owner.pid, owner.worker) == (process.pid, "there")
        assert (owner.is_near, owner.is_dead) == (True, False)
        os.kill(process.pid, 9)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has asked how
        assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
        assert owner.is_dead
    assert not psutil.pid_exists(owner.pid)
    assert owner.is_dead


@pytest.mark.parametrize("seconds", [-3600.0, -3.0, 3.0], ids=str)
def test_a_number_that_another_process_has_now_is_that_of_a_dead_one(seconds: float) -> None:
    me = Owner.me()
    parent = Owner(me.host, os.getppid(), psutil.Process(os.getppid()).create_time())
    assert not parent.is_dead
    assert replace(parent, began=parent.began + seconds).is_dead
    assert replace(me, began=me.began + seconds).is_dead


def test_a_clock_that_was_set_kills_nobody_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The beginning of a process is told from the clock: an hour later it seems to have begun an hour later."""
    me = Owner.me()
    began = psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: began + 3600)
    assert not me.is_dead
    assert Owner.me() == me


def test_a_process_that_was_forked_is_one_of_its_own() -> None:
    program = """
import os, time
from wattcast.tasks.liveness import Owner
mother = Owner.me()
time.sleep(0.1)  # processes begin in hundredths of a second
reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, repr(Owner.me()).encode())
    os._exit(0)
child = eval(os.read(reader, 1000))
print(child.pid != mother.pid, child.began > mother.began)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_of_a_process_on_another_machine_nothing_is_known() -> None:
    elsewhere = replace(Owner.me(), host="another-machine")
    assert (elsewhere.is_near, elsewhere.is_dead) == (False, False)
    assert not replace(elsewhere, pid=2**22 + 1).is_dead
