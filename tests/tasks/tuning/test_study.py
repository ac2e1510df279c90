"""Studies that outlive their processes: real journals, real processes, real kills."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from types import FrameType, SimpleNamespace
from typing import Any

import optuna
import pytest
from children import Child
from filelock import FileLock
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState
from prefect.blocks.system import Secret
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError

from wattcast.model.errors import InputError
from wattcast.model.telling import masked
from wattcast.tasks import liveness
from wattcast.tasks.liveness import LostTrialError, Owner
from wattcast.tasks.tuning import storage, study
from wattcast.tasks.tuning.choices import Pruner
from wattcast.tasks.tuning.storage import storage_faults, with_password
from wattcast.tasks.tuning.study import REASON, TICKET, SharedStudy, StudyPlan, open_study

SILENT_S = 16 * 60
ELSEWHERE = Owner("another-machine", 1, 0.0, "them/0")


def plan(where: Path | str, **changes: Any) -> StudyPlan:
    """Six trials of three options."""
    made = StudyPlan(
        url=str(where),
        name="house",
        definition={"fit.epochs": 9, "window.lookback": 24, "data.sha256": "ab"},
        first={"rate": 0.5, "units": 3, "loss": "mse"},
        seed=0,
        pruner="none",
        epochs=5,
        total=6,
        unit="Wh",
    )
    return replace(made, **changes)


def draw(trial: Trial) -> dict[str, Any]:
    return {
        "rate": trial.suggest_float("rate", 0, 1),
        "units": trial.suggest_int("units", 1, 9),
        "loss": trial.suggest_categorical("loss", ["mse", "mae"]),
    }


def rmse(values: dict[str, Any]) -> float:
    return float((values["rate"] - 0.3) ** 2 + values["units"] / 100 + (values["loss"] == "mae"))


def run_trial(shared: SharedStudy, trial: Trial) -> dict[str, Any]:
    """What a worker does with a trial."""
    values = draw(trial)
    for epoch in range(1, shared.plan.epochs + 1):
        if shared.report(trial, epoch, rmse(values) + 1 / epoch):
            shared.tell(trial, TrialState.PRUNED)
            return values
    shared.tell(trial, TrialState.COMPLETE, rmse(values))
    return values


def work(planned: StudyPlan, *, lose: Collection[int] = ()) -> dict[int, dict[str, Any]]:
    """Run all that waits, each trial as if by a process of its own; the values by tickets.

    The first trials of the tickets in `lose` are left in the middle.
    """
    drawn, still = {}, set(lose)
    while trial := (shared := open_study(planned)).claim("me/0"):
        ticket = trial.user_attrs[TICKET]
        if ticket in still:
            still.remove(ticket)
            draw(trial)
            shared.release("me")
        else:
            drawn[ticket] = run_trial(shared, trial)
    return drawn


def claimed(shared: SharedStudy) -> Trial:
    trial = shared.claim("me/0")
    assert trial is not None
    return trial


def ended(shared: SharedStudy, *values: float) -> None:
    """As many trials as there are `values`, complete."""
    for value in values:
        trial = claimed(shared)
        draw(trial)
        shared.tell(trial, TrialState.COMPLETE, value)


def states(shared: SharedStudy) -> str:
    """One letter a ticket: C(omplete), P(runed), F(ail), R(unning), W(aiting)."""
    return "".join(trial.state.name[0] for trial in shared.trials())


def everything(shared: SharedStudy) -> list[optuna.trial.FrozenTrial]:
    """The trials that do not count, too."""
    return shared.study.get_trials(deepcopy=False)


def write(shared: SharedStudy, trial: Trial, **attributes: Any) -> None:
    """Attributes of a trial as another machine would leave them."""
    for name, value in attributes.items():
        shared.study._storage.set_trial_user_attr(trial._trial_id, name, value)


# what children do


def claim_all(wire: Connection, wheres: Collection[str], total: int) -> None:
    """For each storage two threads at once, as soon as they are told; says who got which tickets."""
    tickets: list[int] = []

    def one(planned: StudyPlan, name: str) -> None:
        shared, trials = open_study(planned), []
        while trial := shared.claim(name):
            trials.append(trial)
        for trial in trials:
            tickets.append(trial.user_attrs[TICKET])
            shared.tell(trial, TrialState.COMPLETE, rmse(draw(trial)))

    for where in wheres:
        wire.send("ready")
        wire.recv()
        threads = [Thread(target=one, args=(plan(where, total=total), f"{os.getpid()}/{place}")) for place in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wire.send(tickets)
        tickets.clear()


def stop_in_the_middle(wire: Connection, where: str) -> None:
    """One trial is complete, the next has two epochs."""
    shared = open_study(plan(where))
    ended(shared, 1.0)
    trial = claimed(shared)
    values = draw(trial)
    shared.report(trial, 1, 3.0)
    shared.report(trial, 2, 2.0)
    wire.send(values)
    time.sleep(600)


def die_at_any_line(wire: Connection, folder: str, kills: int) -> None:
    """Processes are killed at lines all over their work; what is wrong with the studies when they are gone on with."""
    study._UNOWNED_S = -1
    lines, faults = [0], []
    whole = work(plan(Path(folder) / "whole", total=3))
    _count_lines(lines, die_at=None)
    work(plan(Path(folder) / "counted", total=3))
    sys.settrace(None)
    for number in range(kills):
        died_at = 1 + number * lines[0] // kills
        planned = plan(Path(folder) / f"killed-{number}", total=3)
        process = os.fork()
        if process == 0:
            _count_lines([0], die_at=died_at)
            work(planned)
            os._exit(0)
        status = os.waitpid(process, 0)[1]
        shared = open_study(planned)
        shared.release()
        work(planned)
        values = [trial.params for trial in shared.trials()]
        if not os.WIFSIGNALED(status) or states(shared) != "CCC" or values != [whole[ticket] for ticket in range(3)]:
            faults.append([died_at, status, states(shared), values])
    wire.send(faults)


def _count_lines(lines: list[int], *, die_at: int | None) -> None:
    """Count each line of the study, of its owner and of the journal that is executed from now on, and die at one."""
    traced = {study.__file__, liveness.__file__, sys.modules[JournalFileBackend.__module__].__file__}

    def trace(frame: FrameType, what: str, _: Any) -> Any:
        if frame.f_code.co_filename not in traced:
            return None
        if what == "line":
            lines[0] += 1
            if lines[0] == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def fill_the_disk(wire: Connection, where: str) -> None:
    """In the middle of the second trial the journal may grow no more; says what the user is told."""
    shared = open_study(plan(where))
    run_trial(shared, claimed(shared))
    trial = claimed(shared)
    most = Path(where).stat().st_size + 1000
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        with storage_faults(where):
            run_trial(shared, trial)
    except InputError as error:
        wire.send(str(error))


# many at once


def test_each_ticket_is_run_once_however_many_claim_at_once(tmp_path: Path) -> None:
    """Two processes of two threads each, which begin the study all at once."""
    wheres = [str(tmp_path / "optuna.journal"), f"sqlite:///{tmp_path}/optuna.db"]
    children = [Child.of(claim_all, wheres, 12) for _ in range(2)]
    for where in wheres:
        assert [child.wire.recv() for child in children] == ["ready", "ready"]
        for child in children:
            child.wire.send("go")
        assert sorted(ticket for child in children for ticket in child.wire.recv()) == list(range(12))
        shared = open_study(plan(where, total=12))
        assert states(shared) == "C" * 12
        assert [trial.user_attrs[TICKET] for trial in shared.trials()] == list(range(12))
        assert shared.trials()[0].params == dict(shared.plan.first)
    for child in children:
        child.process.join()


def test_sqlite_gives_a_trial_to_one_of_two_who_have_seen_that_it_waits(tmp_path: Path) -> None:
    """They try to take it after I have looked and before I take it: they must wait, for SQLite locks no rows."""
    mine, theirs = (open_study(plan(f"sqlite:///{tmp_path}/optuna.db")) for _ in range(2))
    claims: list[Future[Trial | None]] = []

    def let_them_go_first(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("UPDATE trials") and not claims:
            claims.append(pool.submit(theirs.claim, "they/0"))
            wait(claims, timeout=0.5)

    with ThreadPoolExecutor(1) as pool:
        event.listen(mine.study._storage._backend.engine, "before_cursor_execute", let_them_go_first)
        trials = [claimed(mine), claims[0].result()]
    assert [trial.user_attrs[TICKET] for trial in trials if trial] == [0, 1]


# processes that die


def test_a_trial_whose_process_was_killed_is_run_again_with_the_same_values(tmp_path: Path) -> None:
    where = tmp_path / "optuna.journal"
    child = Child.of(stop_in_the_middle, str(where))
    values = child.wire.recv()
    shared = open_study(plan(where))
    assert shared.release() == []  # its process is alive
    assert states(shared) == "CRWWWW"
    child.process.kill()
    child.process.join()
    (owner,) = shared.release()
    assert (owner.pid, owner.worker, owner.is_near) == (child.process.pid, "me/0", True)
    assert states(shared) == "CWWWWW"
    (lost,) = [trial for trial in everything(shared) if trial.state == TrialState.FAIL]
    assert (lost.user_attrs[TICKET], lost.params) == (1, values)
    assert lost.user_attrs[REASON] == "its process ended before it did"
    assert shared.release() == []
    assert work(shared.plan)[1] == values
    assert states(shared) == "CCCCCC"
    assert len(everything(shared)) == 7
    assert shared.counts() == study.Counts(complete=6)
    assert [trial.number for trial in shared.snapshot().trials] == list(range(6))


def test_a_process_may_be_killed_at_any_line(tmp_path: Path) -> None:
    """Each study is gone on with as if nothing had been: three trials, with the values of one that was not killed."""
    assert Child.of(die_at_any_line, str(tmp_path), 24).last_word() == []


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_study_that_was_interrupted_makes_the_same_trials_as_one_that_was_not(pruner: Pruner, tmp_path: Path) -> None:
    """Long enough that the sampler has left its random beginning behind and weighs old trials less than new ones."""
    whole, resumed = (plan(tmp_path / name, pruner=pruner, total=28) for name in ("whole", "resumed"))
    assert work(whole) == work(resumed, lose=[3, 7, 12, 20])
    assert states(open_study(whole)) == states(open_study(resumed))
    assert len(everything(open_study(resumed))) == 32


def test_each_trial_and_each_seed_has_values_of_its_own(tmp_path: Path) -> None:
    one, other = (work(plan(tmp_path / str(seed), seed=seed)) for seed in (0, 1))
    assert one[0] == other[0] == dict(plan("").first)
    assert len({values["rate"] for drawn in (one, other) for values in drawn.values()}) == 11


def test_a_trial_that_is_lost_keeps_its_values_whatever_has_ended_since(tmp_path: Path) -> None:
    """Twice: the second time nothing was drawn yet. By itself the sampler would have learnt from the other trial."""
    shared = open_study(plan(tmp_path / "optuna.journal", total=14))
    ended(shared, *range(12, 0, -1))
    lost, other = claimed(shared), claimed(shared)
    values = draw(lost)
    draw(other)
    shared.tell(other, TrialState.COMPLETE, -5.0)
    for _ in range(2):
        shared.release("me")
        again = claimed(shared)
    assert again.user_attrs[TICKET] == lost.user_attrs[TICKET] == 12
    assert draw(again) == values


def test_a_trial_that_is_lost_while_its_values_are_drawn_is_drawn_anew(tmp_path: Path) -> None:
    """Half of the values would move the others: each takes the next random number."""
    values = work(plan(tmp_path / "whole"))
    shared = open_study(plan(tmp_path / "optuna.journal"))
    run_trial(shared, claimed(shared))
    claimed(shared).suggest_float("rate", 0, 1)
    shared.release("me")
    assert work(shared.plan)[1] == values[1]


def test_a_trial_is_lost_to_whom_it_was_taken_from(tmp_path: Path) -> None:
    shared = open_study(plan(tmp_path / "optuna.journal", pruner="hyperband", first={}))
    for use in (
        lambda trial: shared.report(trial, 1, 1.0),
        lambda trial: shared.tell(trial, TrialState.COMPLETE, 0.1),
        lambda trial: shared.tell(trial, TrialState.PRUNED),
        lambda trial: shared.tell(trial, TrialState.FAIL, reason="it was lost"),
    ):
        trial = claimed(shared)
        ticket = trial.user_attrs[TICKET]
        shared.release("me")
        with pytest.raises(LostTrialError, match=f"trial {ticket} of study 'house' was taken over"):
            use(trial)
        ended(shared, 5.0)
    best = shared.best()
    assert best is not None
    assert best.rmse == 5.0
    assert states(shared) == "CCCCWW"


def test_what_has_killed_three_processes_is_not_tried_again(tmp_path: Path) -> None:
    dead = replace(Owner.me("they/0"), began=0.0)
    for _ in range(2):
        shared = open_study(plan(tmp_path / "journal"))
        write(shared, claimed(shared), owner=asdict(dead))
        shared.release()
        assert states(shared) == "WWWWWW"
    claimed(shared)
    shared.release("me")  # who was stopped has not died
    assert states(shared) == "WWWWWW"
    write(shared, claimed(shared), owner=asdict(dead))
    shared.release()
    assert states(shared) == "FWWWWW"
    assert shared.trials()[0].user_attrs[REASON] == "its process ended before it did"
    assert work(plan(tmp_path / "journal")).keys() == set(range(1, 6))


def test_one_gives_up_the_trials_of_a_worker_and_of_those_below_it_only(tmp_path: Path) -> None:
    shared = open_study(plan(tmp_path / "optuna.journal"))
    for worker in ("a/0", "a/1", "ab/0", "a"):
        assert shared.claim(worker) is not None
    assert states(shared) == "RRRRWW"
    assert [owner.worker for owner in shared.release("a")] == ["a/0", "a/1", "a"]
    assert states(shared) == "WWRWWW"


@pytest.mark.parametrize(("silent", "left"), [(SILENT_S, "W"), (60, "R")], ids=["silent", "heard"])
def test_a_worker_elsewhere_is_given_up_when_it_was_silent_for_long(silent: int, left: str, tmp_path: Path) -> None:
    shared = open_study(plan(tmp_path / "optuna.journal", total=1))
    write(shared, claimed(shared), owner=asdict(ELSEWHERE), seen=time.time() - silent)
    assert shared.release() == ([ELSEWHERE] if left == "W" else [])
    assert states(shared) == left


def test_a_worker_is_heard_when_it_claims_and_when_it_reports(tmp_path: Path) -> None:
    shared = open_study(plan(tmp_path / "optuna.journal", total=1))
    before = time.time()
    trial = claimed(shared)
    assert before <= shared.trials()[0].user_attrs["seen"] <= time.time()
    trial.set_user_attr("seen", before - SILENT_S)
    shared.report(trial, 1, 1.0)
    assert before <= shared.trials()[0].user_attrs["seen"] <= time.time()


def test_a_trial_on_which_nobody_has_written_a_name_is_given_up_after_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = open_study(plan(tmp_path / "optuna.journal", total=1))
    waiting = shared.trials()[0]
    shared.study._storage.set_trial_state_values(waiting._trial_id, TrialState.RUNNING)
    shared.release()
    assert states(shared) == "R"
    monkeypatch.setattr(study, "_UNOWNED_S", -1)
    assert shared.release() == []
    assert states(shared) == "W"


# how many trials


def test_a_study_grows_and_forgets_nothing_when_it_shrinks(tmp_path: Path) -> None:
    where = tmp_path / "optuna.journal"
    ended(open_study(plan(where, total=2)), 5.0, 4.0)
    larger = open_study(plan(where, total=4))
    assert states(larger) == "CCWW"
    ended(larger, 3.0, 2.0)
    smaller = open_study(plan(where, total=1))
    assert (states(smaller), smaller.counts().done, smaller.claim("me")) == ("C", 1, None)
    best = open_study(plan(where, total=4)).best()
    assert best is not None
    assert (best.rmse, best.ticket) == (2.0, 3)
    assert len(everything(larger)) == 4


# what a study is about


def test_another_definition_is_refused_and_told(tmp_path: Path) -> None:
    where = tmp_path / "optuna.journal"
    open_study(plan(where))
    changed = {"fit.epochs": 9, "window.lookback": 36, "fit.loss": "mae"}
    with pytest.raises(InputError, match="was begun with other settings") as error:
        open_study(plan(where, definition=changed))
    told = str(error.value).splitlines()
    assert told[1:4] == [
        "- window.lookback was 24, now it is 36",
        "- data.sha256 was ab, now it is not set",
        "- fit.loss was not set, now it is mae",
    ]
    assert told[4] == "go back to them, or begin another: --study house-2"
    assert open_study(plan(where, definition=changed, name="house-2")).counts().done == 0
    assert open_study(plan(where)).plan.name == "house"


def test_a_study_of_somebody_else_is_refused(tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path}/optuna.db"
    optuna.create_study(study_name="house", storage=where).optimize(lambda trial: trial.suggest_float("x", 0, 1), 1)
    with pytest.raises(InputError, match=r"study 'house' in sqlite.* was not made by a sweep: give another --study"):
        open_study(plan(where))
    assert states(open_study(plan(where, name="flat"))) == "WWWWWW"


def test_what_is_remembered_survives(tmp_path: Path) -> None:
    verdict = {"judged": [1, 2.5], "text": "größer", "none": None}
    open_study(plan(tmp_path / "optuna.journal")).remember("verdict", verdict)
    again = open_study(plan(tmp_path / "optuna.journal"))
    assert again.recall("verdict") == verdict
    assert again.recall("run") is None


def test_the_best_trial_is_complete_and_of_equals_the_older(tmp_path: Path) -> None:
    shared = open_study(plan(tmp_path / "optuna.journal"))
    assert (shared.best(), shared.describe()) == (None, "")
    assert (shared.untuned_rmse(), shared.failures().total()) == (None, 0)
    ended(shared, 7.0)
    pruned, failed = claimed(shared), claimed(shared)
    shared.report(pruned, 1, 0.5)
    shared.tell(pruned, TrialState.PRUNED)
    shared.tell(failed, TrialState.FAIL, reason="MemoryError")
    assert shared.describe() == "1 pruned  1 failed  best 7.00 Wh (trial 0)"
    ended(shared, 6.0, 6.0)
    best = shared.best()
    assert best is not None
    assert (best.rmse, best.ticket) == (6.0, 3)
    claimed(shared)
    assert shared.describe() == "1 running  1 pruned  1 failed  best 6.00 Wh (trial 3)"
    assert shared.counts() == study.Counts(complete=3, pruned=1, failed=1, running=1)
    assert (shared.untuned_rmse(), dict(shared.failures())) == (7.0, {"MemoryError": 1})


def test_a_snapshot_holds_what_counts_and_has_ended(tmp_path: Path) -> None:
    shared = open_study(plan(tmp_path / "optuna.journal"))
    ended(shared, 7.0)
    lost, failed = claimed(shared), claimed(shared)
    draw(lost)
    shared.tell(failed, TrialState.FAIL, reason="MemoryError")
    shared.release("me")
    ended(shared, 6.0)  # in place of the lost one
    claimed(shared)
    snapshot = shared.snapshot()
    assert [(trial.user_attrs[TICKET], trial.state.name) for trial in snapshot.trials] == [
        (0, "COMPLETE"),
        (1, "COMPLETE"),
        (2, "FAIL"),
    ]
    assert snapshot.best_value == 6.0
    snapshot.set_user_attr("mine", 1)
    assert shared.recall("mine") is None


# pruners


@pytest.mark.parametrize(("pruner", "pruned_at"), [("median", 4), ("none", None)])
def test_a_trial_is_given_up_after_three_epochs_and_five_trials(
    pruner: Pruner, pruned_at: int | None, tmp_path: Path
) -> None:
    shared = open_study(plan(tmp_path / "optuna.journal", pruner=pruner, first={}, epochs=9, total=7))

    def given_up_at(value: float) -> int | None:
        trial = claimed(shared)
        for epoch in range(1, 10):
            if shared.report(trial, epoch, value):
                shared.tell(trial, TrialState.PRUNED)
                return epoch
        shared.tell(trial, TrialState.COMPLETE, value)
        return None

    assert [given_up_at(value) for value in (10.0, 99.0, 9.0, 10.0, 11.0)] == [None] * 5
    assert given_up_at(99.0) == pruned_at
    assert given_up_at(8.0) is None


@pytest.mark.parametrize("epochs", [1, 3, 12])
def test_hyperband_runs_with_any_number_of_epochs(epochs: int, tmp_path: Path) -> None:
    planned = plan(tmp_path / "optuna.journal", pruner="hyperband", epochs=epochs, total=12)
    work(planned)
    made = states(open_study(planned))
    assert set(made) == ({"C", "P"} if epochs == 12 else {"C"})  # the last epoch is never given up


def test_of_folds_the_newest_mean_decides(tmp_path: Path) -> None:
    """The first one is easy: by its lowest mean no trial would be given up behind it."""
    shared = open_study(plan(tmp_path / "optuna.journal", pruner="median", first={}, folds=4, total=8))

    def given_up_at(*means: float) -> int | None:
        trial = claimed(shared)
        for number, mean in enumerate(means, start=1):
            if shared.report(trial, number, mean):
                shared.tell(trial, TrialState.PRUNED)
                return number
        shared.tell(trial, TrialState.COMPLETE, means[-1])
        return None

    assert [given_up_at(50, 60, 61, value) for value in (60, 61, 62, 63, 64)] == [None] * 5
    assert given_up_at(50, 61, 62, 62) == 2
    assert given_up_at(51, 60, 61, 60) == 1
    assert given_up_at(49, 60, 61, 99) is None  # the last fold is over: there is nothing to be saved


@pytest.mark.parametrize("folds", [2, 3, 9])
def test_hyperband_runs_with_any_number_of_folds(folds: int, tmp_path: Path) -> None:
    planned = plan(tmp_path / "optuna.journal", pruner="hyperband", folds=folds, epochs=folds, total=12)
    work(planned)
    assert set(states(open_study(planned))) <= {"C", "P"}


# storages


def test_half_a_line_is_cut_and_nothing_else(tmp_path: Path) -> None:
    where = tmp_path / "optuna.journal"
    ended(open_study(plan(where)), 3.0, 2.0)
    whole = where.read_bytes()
    where.write_bytes(whole + b'{"op_code":8,"worker_id":"one that was killed","tri')
    shared = open_study(plan(where))
    assert where.read_bytes().startswith(whole)
    assert states(shared) == "CCWWWW"
    ended(shared, 1.0)
    assert states(open_study(plan(where))) == "CCCWWW"
    assert all(json.loads(line) for line in where.read_bytes().splitlines())


def test_a_journal_of_half_a_line_is_begun_anew(tmp_path: Path) -> None:
    where = tmp_path / "optuna.journal"
    where.write_bytes(b'{"op_c')
    assert states(open_study(plan(where))) == "WWWWWW"


@pytest.mark.parametrize(
    "content",
    [
        "date,Appliances\n2016-01-11,60\n",
        "date,Appliances",
        "preset = 'recommended'\n",
        "preset = 'recommended'",
        '{"a": 1}\n{"a": 2}\n',
        '{\n  "op_code": 1\n}',
        "[1, 2]",
        "7\n",
        "\n",
        "\0" * 100,
        "größer",
    ],
    ids=[
        "csv",
        "line of csv",
        "toml",
        "line of toml",
        "jsonl",
        "json",
        "list",
        "number",
        "empty line",
        "zeros",
        "text",
    ],
)
def test_a_file_that_is_no_journal_stays_as_it_is(content: str, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_bytes(content.encode())
    with pytest.raises(InputError, match="is no storage of studies: this file is something else; name another"):
        open_study(plan(file))
    assert file.read_bytes() == content.encode()
    assert list(tmp_path.iterdir()) == [file]


def test_a_database_given_as_a_path_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "optuna.db"
    connection = sqlite3.connect(file)
    connection.execute("create table t (x)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(InputError, match="is no storage of studies"):
        open_study(plan(file))
    assert file.read_bytes() == before


def test_a_journal_that_is_broken_in_the_middle_is_refused(tmp_path: Path) -> None:
    where = tmp_path / "optuna.journal"
    ended(open_study(plan(where)), 3.0)
    lines = where.read_bytes().splitlines(keepends=True)
    broken = b"".join([*lines[:3], lines[3][:20] + b"\n", *lines[4:]])
    where.write_bytes(broken)
    with pytest.raises(InputError, match="is no storage of studies"):
        open_study(plan(where))
    assert where.read_bytes() == broken


def test_tables_that_another_process_makes_just_now_are_no_fault(tmp_path: Path) -> None:
    url, calls = f"sqlite:///{tmp_path}/optuna.db", []

    def connect() -> RDBStorage:
        calls.append(url)
        if len(calls) == 1:
            with create_engine(url).connect() as connection:
                for _ in range(2):
                    connection.execute(text("create table studies (x)"))
        return RDBStorage(f"{url}2")

    assert storage._with_tables(connect).get_all_studies() == []
    assert len(calls) == 2
    with pytest.raises(OperationalError, match="unable to open"):
        storage._with_tables(lambda: RDBStorage("sqlite:////no/such/folder/optuna.db"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://user:secret@127.0.0.1:1/x", "cannot be used: .*(No module named 'psycopg'|refused)"),
        ("postgresql://user:se/cr%40et@127.0.0.1:port/x", "is no storage of studies: .*port"),
        ("redis://user:secret@127.0.0.1/0", "is no storage of studies: RedisStorage is removed"),
        ("nonsense://user:secret@127.0.0.1/x", "cannot be used: Can't load plugin"),
        ("sqlite:////no/such/folder/optuna.db", "cannot be used: .*unable to open database file"),
        ("/no/such/folder/optuna.journal", "cannot be used: .*No such file or directory"),
        ("/proc/optuna.journal", "cannot be used: "),
        ("/dev/null", "is no storage of studies: a journal is a file"),
        (".", "is no storage of studies: a journal is a file"),
    ],
)
def test_a_storage_that_cannot_be_used_is_told_without_its_password(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        open_study(plan(url))
    assert masked(url) in str(error.value)
    assert not any(secret in str(error.value) for secret in ("secret", "se/", "cr%40et"))
    assert "\n" not in str(error.value)


def test_a_plan_shows_no_password() -> None:
    assert "secret" not in repr(plan("postgresql://anna:secret@db/x"))


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("postgresql://anna:***@db/x", "postgresql://anna:p%40ss%2Fword@db/x"),
        ("postgresql+psycopg://anna@db/x", "postgresql+psycopg://anna:p%40ss%2Fword@db/x"),
        ("postgresql://db/x?user=anna&password=***", "postgresql://db/x?user=anna&password=p%40ss%2Fword"),
        ("postgresql://anna:own@db/x", "postgresql://anna:own@db/x"),
        ("sqlite:///studies.db", "sqlite:///studies.db"),
        ("folder/optuna.journal", "folder/optuna.journal"),
    ],
)
def test_a_password_that_is_left_out_comes_from_the_environment(
    url: str, full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATTCAST_STORAGE_PASSWORD", "p@ss/word")
    assert with_password(url) == full


def test_or_from_a_block_and_else_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATTCAST_STORAGE_PASSWORD", raising=False)
    blocks = {"wattcast-storage-password": "of the block"}
    monkeypatch.setattr(Secret, "load", lambda name, **_: SimpleNamespace(get=lambda: blocks[name]))
    assert with_password("postgresql://anna:***@db/x") == "postgresql://anna:of%20the%20block@db/x"
    blocks.clear()
    with pytest.raises(
        InputError, match=r"postgresql://anna:\*\*\*@db/x is not known: set WATTCAST_STORAGE_PASSWORD, or"
    ):
        with_password("postgresql://anna:***@db/x")


def test_a_full_disk_is_told_and_the_study_goes_on_when_there_is_room(tmp_path: Path) -> None:
    where = tmp_path / "optuna.journal"
    message = Child.of(fill_the_disk, str(where)).last_word()
    full = f"the study's storage {where} cannot be used: [Errno 27] File too large"
    assert message == f"{full}; mend that and run the same command again"
    assert not where.read_bytes().endswith(b"\n")  # what was written last is not whole
    shared = open_study(plan(where))
    assert states(shared) == "CRWWWW"
    shared.release()
    work(shared.plan)
    assert states(shared) == "CCCCCC"
    assert len(everything(shared)) == 7


def test_a_journal_that_disappears_is_told_and_leaves_no_lock_behind(tmp_path: Path) -> None:
    where = tmp_path / "optuna.journal"
    shared = open_study(plan(where))
    where.unlink()
    with pytest.raises(InputError, match="No such file or directory") as error, storage_faults(str(where)):
        shared.remember("run", "1")
    with FileLock(f"{where}.lock", timeout=0):
        assert str(where) in str(error.value)
