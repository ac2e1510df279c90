"""The page and the table of a backtest."""

import csv
import io
import json
import re

import numpy as np
import pytest
from contests import backtest, noise
from html_page import HTMLPage

from wattcast.tasks.backtest.verdict import Verdict, judge
from wattcast.tasks.report.backtest import backtest_csv, backtest_report
from wattcast.tasks.report.page import Subject

ERRORS = {
    "ours": noise(5, seed=9),
    "ridge": noise(7, seed=8),
    "mine:Near": noise(5, seed=9) + noise(0.5, seed=8),
    "persistence": noise(12, seed=1),
    "mine:<b>Broken</b>": noise(1, seed=2),
}
TURNED = {"ours": ERRORS["persistence"], "persistence": ERRORS["ours"]}
BROKEN = {"mine:<b>Broken</b>": (2, "raised ValueError: </script><b>no</b>")}


def page(verdict: Verdict) -> HTMLPage:
    html = backtest_report(Subject("backtest of house", {"run": "abc"}, simulated=True), verdict, "[fit]\n")
    assert "<b>no</b>" not in html
    assert "<b>Broken" not in html
    return HTMLPage(html)


def figures(found: HTMLPage) -> list[dict]:
    (text,) = found.all("script", id="data")
    return list(json.loads(text).values())


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    return judge(backtest(ERRORS, day=24, reach=9, failed=BROKEN))


def test_the_verdict_stands_on_top_and_every_contestant_below(verdict: Verdict):
    found = page(verdict)
    assert "SIMULATED" in "".join(found.all("p", class_="banner"))
    leads = found.all("p", class_="lead")
    assert leads == [verdict.sentence, verdict.useful_sentence]
    for name in ERRORS:
        assert name in found.words
    assert "raised ValueError: </script><b>no</b>" in found.words
    assert "RMSE, Wh" in found.words
    assert "Coverage of 90 % intervals by fold" in found.words
    marked = found.all("tr", class_="marked")
    assert len(marked) == 1
    assert marked[0].startswith("ours")


def test_a_matrix_says_who_beats_whom_and_what_may_be_luck(verdict: Verdict):
    table = page(verdict).all("table", class_="matrix")[0]
    pair = verdict.between("ours", "mine:Near")
    assert not pair.beyond_luck
    assert f"({pair.difference:+.2f})" in table
    assert f"({-pair.difference:+.2f})" in table
    sure = verdict.between("ours", "persistence")
    assert f"{sure.difference:+.2f}" in table
    assert f"({sure.difference:+.2f})" not in table


def test_figures_show_skill_with_its_interval_and_each_fold(verdict: Verdict):
    skill, error, folds, covered = figures(page(verdict))
    asked = verdict.standing("ours")
    high, low, *curves = skill["data"]
    assert low["fill"] == "tonexty"
    assert [curve["name"] for curve in curves] == ["ours", "mine:Near", "ridge"]
    assert curves[0]["y"] == pytest.approx([100 * score.skill for score in asked.by_lead])
    assert curves[0]["x"] == [1, 2, 3]
    assert np.all(np.less(low["y"], curves[0]["y"]))
    assert np.all(np.less(curves[0]["y"], high["y"]))
    assert "useful up to 3 h" in json.dumps(skill["layout"]["annotations"])
    assert {curve["name"] for curve in error["data"]} == {each.name for each in verdict.standings}
    assert folds["data"][0]["y"] == [score.rmse for score in verdict.standings[0].by_fold]
    assert covered["data"][0]["y"] == [score.coverage[0] for score in verdict.standings[0].by_fold]


def test_of_one_step_there_is_no_section_of_lead_times():
    errors = {name: each[:, :1] for name, each in ERRORS.items()}
    found = page(judge(backtest(errors, failed=BROKEN)))
    assert "By lead time" not in found.words
    assert len(figures(found)) == 1  # without intervals, too
    assert "Winkler 90 %" not in found.words


def test_a_page_tells_that_all_have_failed():
    verdict = judge(
        backtest({"ours": ERRORS["ours"], "ridge": ERRORS["ridge"]}, failed={"ours": (1, "a"), "ridge": (2, "b")})
    )
    found = page(verdict)
    assert "There is nothing to use" in found.words
    assert figures(found) == []


def test_the_table_has_a_line_for_all_rows_each_fold_and_each_lead_time(verdict: Verdict):
    rows = [*csv.DictReader(io.StringIO(backtest_csv(verdict)))]
    ours = [row for row in rows if row["contestant"] == "ours"]
    assert [(row["by"], row["group"]) for row in ours] == [
        ("all", ""),
        ("fold", "1"),
        ("fold", "2"),
        *(("steps ahead", step) for step in "123"),
    ]
    assert float(ours[0]["rmse"]) == verdict.standing("ours").overall.rmse
    assert float(ours[2]["coverage_90"]) == verdict.standing("ours").by_fold[1].coverage[0]
    (broken,) = (row for row in rows if "Broken" in row["contestant"])
    assert (broken["group"], broken["failed"]) == ("2", BROKEN["mine:<b>Broken</b>"][1])
    assert not broken["rmse"]


def test_each_further_target_has_a_section_with_its_verdict_and_pairs():
    two = {name: np.stack([ERRORS[name], 3 * ERRORS["persistence"]], axis=-1) for name in ("ours", "persistence")}
    verdict = judge(backtest(two, day=24))
    found = page(verdict)
    assert "Who beats whom in load 2" in found.words
    assert verdict.others[0].sentence in found.words
    assert [heading for heading in found.all("h2") if " in load" in heading] == [
        *("Who beats whom in load", "Each against each in load", "By lead time in load", "Fold by fold in load"),
        "Who beats whom in load 2",
    ]
    rows = list(csv.DictReader(io.StringIO(backtest_csv(verdict))))
    assert [row["target"] for row in rows if row["by"] == "all"] == ["load", "load", "load 2", "load 2"]


def test_lead_times_and_folds_are_shown_of_each_target():
    errors = {name: np.stack([ERRORS[name], 2 * each], axis=-1) for name, each in TURNED.items()}
    verdict = judge(backtest(errors, day=24, reach=9))
    (other,) = verdict.others
    assert verdict.useful_sentence.startswith("load: ours is useful at every lead time, up to 3 h")
    assert other.useful_sentence.startswith("load 2: ours is of no proven use: already at 1 h")
    found = page(verdict)
    for each in (verdict, other):
        for words in each.sentences:
            assert words in found.words
    tiles = dict(zip(found.all("dt"), found.all("dd"), strict=True))
    assert tiles["ours useful in load up to"] == "3 h"
    assert tiles["ours useful in load 2 up to"] == "nothing proven"
    drawn = figures(found)
    assert len(drawn) == 8  # skill, RMSE by lead time and by fold, and coverage, of each
    for (skill, error, folds, covered), each in zip((drawn[:4], drawn[4:]), (verdict, other), strict=True):
        asked, best = each.standing("ours"), each.standings[0]
        curve = next(one for one in skill["data"] if one.get("name") == "ours")
        assert curve["y"] == pytest.approx([100 * score.skill for score in asked.by_lead])
        assert error["data"][0]["y"] == pytest.approx([score.rmse for score in best.by_lead])
        assert folds["data"][0]["y"] == pytest.approx([score.rmse for score in best.by_fold])
        assert covered["data"][0]["y"] == pytest.approx([score.coverage[0] for score in best.by_fold])
    labels = [given.get("aria-label") for _, given in found.elements]
    for label in ("Scores of intervals", "RMSE and skill at some lead times", "RMSE of each fold"):
        assert {f"{label} in load", f"{label} in load 2"} <= set(labels)


def test_the_page_loads_nothing(verdict: Verdict):
    html = backtest_report(Subject("backtest", {}, simulated=False), verdict, "")
    assert not re.findall(r'(?:src|href)="(?!#)', html)
