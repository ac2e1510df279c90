"""The page is read with an HTML parser and its figures are decoded, so that what is asserted is what a reader sees."""

from __future__ import annotations

import base64
import copy
import gzip
import io
import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from html_page import HTMLPage
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from plotly.offline import get_plotlyjs

from wattcast.tasks.report import page as page_module
from wattcast.tasks.report.page import BANNER, Subject
from wattcast.tasks.report.sweep import sweep_report, trials_csv
from wattcast.tasks.report.sweep_effects import importances
from wattcast.tasks.report.sweep_trials import Axis, Results, short_names, shown_range, wrapped
from wattcast.tasks.tuning.study import FOLDS, REASON, RUN_ID, TICKET
from wattcast.tasks.tuning.verdict import Arm, InFold, Verdict

RATE = FloatDistribution(1e-4, 1e-1, log=True)
STEPS = IntDistribution(200, 3000, log=True)
KEEP = FloatDistribution(0.5, 1.0)
READOUT = CategoricalDistribution(("states", "last_state", "last_output"))
UNITS = CategoricalDistribution((16, 48, 32))
RESIDUAL = CategoricalDistribution((True, False))
SPACE = {
    "fit.initial_learning_rate": RATE,
    "fit.decay_steps": STEPS,
    "model.layers.0.input_keep_prob": KEEP,
    "model.readout": READOUT,
    "model.layers.0.units": UNITS,
    "model.residual": RESIDUAL,
}
SUBJECT = Subject("sweep of recommended", {"study": "recommended", "run": "abc123"}, simulated=False)
VERDICT = Verdict(
    seeds=(11, 12, 13),
    untuned=Arm((62.0, 63.0, 64.0), (40.0, 41.0, 42.0)),
    tuned=Arm((61.0, 61.5, 63.5), (39.0, 39.5, 40.0)),
    baselines={"mean": (90.0, 70.0), "persistence": (71.5, 33.0), "ridge": (65.25, 44.0), "odd <b>": (66.0, 45.0)},
    over_seeds=(-1.6, -0.4),
    over_seeds_and_days=(-2.1, 0.3),
    unit="Wh",
)
NOTHING_BETTER = replace(VERDICT, tuned=None, over_seeds=None, over_seeds_and_days=None)
TOML = "[fit]\ninitial_learning_rate = 0.003\n"
HOSTILE = "</script><script>alert(1)</script><a href='http://x.test/'>&amp;"


def trial(
    ticket: int,
    value: float | None,
    params: dict[str, Any] | None = None,
    space: dict[str, Any] | None = None,
    *,
    epochs: tuple[float, ...] = (),
    reason: str = "",
) -> FrozenTrial:
    """Complete with a `value`; failed with a `reason`; else pruned after `epochs`."""
    state = TrialState.FAIL if reason else TrialState.PRUNED if value is None else TrialState.COMPLETE
    params = {"fit.initial_learning_rate": 1e-3} if params is None else params
    return create_trial(
        state=state,
        value=epochs[-1] if state == TrialState.PRUNED else value,  # as Optuna does it
        params=params,
        distributions={name: (space or SPACE)[name] for name in params},
        intermediate_values=dict(enumerate(epochs, start=1)),
        user_attrs={TICKET: ticket, RUN_ID: f"run{ticket}", **({REASON: reason} if reason else {})},
    )


def study_of(*trials: FrozenTrial) -> optuna.Study:
    study = optuna.create_study()
    for one in trials:
        study.add_trial(one)
    return study


def rich() -> optuna.Study:
    """Thirty trials whose value follows from the learning rate, and a little from the first keep probability.

    Ticket 0 is untuned (65.5), 17 the best (60.0); 21 to 26 are pruned, 27 and 28 failed, 29 is far above the others.
    They are added in another order.
    """
    draws = np.random.default_rng(0)
    trials = []
    for ticket in range(30):
        place = 0.5 if ticket == 17 else float(draws.uniform())
        params = {
            "fit.initial_learning_rate": 1e-4 * 1000**place,
            "fit.decay_steps": int(draws.integers(200, 3000)),
            "model.layers.0.input_keep_prob": float(draws.uniform(0.5, 1)),
            "model.readout": READOUT.choices[ticket % 3],
            "model.layers.0.units": UNITS.choices[int(draws.integers(3))],
            "model.residual": bool(draws.integers(2)),
        }
        value = 60.2 + 20 * (place - 0.5) ** 2 + 0.5 * params["model.layers.0.input_keep_prob"]
        value = {0: 65.5, 17: 60.0, 29: 5000.0}.get(ticket, value)
        epochs = (value + 8, value, value + 1)
        if ticket in (27, 28):
            trials.append(trial(ticket, None, params, reason="MemoryError: full"))
        else:
            trials.append(trial(ticket, None if 21 <= ticket <= 26 else value, params, epochs=epochs))
    return study_of(*(trials[place] for place in draws.permutation(30)))


def one() -> optuna.Study:
    return study_of(trial(0, 65.5))


def two() -> optuna.Study:
    return study_of(trial(1, 61.0, {"model.residual": True}), trial(0, 65.5, {"model.residual": False}, epochs=(65.5,)))


def one_left() -> optuna.Study:
    failed = [trial(ticket, None, {}, reason=f"ValueError: {ticket % 2}") for ticket in range(6)]
    return study_of(*failed, trial(6, 61.0, epochs=(70.0, 61.0)))


def choices() -> optuna.Study:
    values = [{"model.readout": READOUT.choices[n % 3], "model.residual": n % 2 == 0} for n in range(12)]
    return study_of(*(trial(n, 60.0 + n % 3, params, epochs=(70.0, 60.0 + n % 3)) for n, params in enumerate(values)))


def single() -> optuna.Study:
    return study_of(*(trial(n, 60.0 + n, {"fit.decay_steps": 300 + 100 * n}) for n in range(10)))


def pruned() -> optuna.Study:
    late = [
        trial(n, None, {"model.layers.0.input_keep_prob": 0.5 + n / 20}, epochs=(80.0, 70.0 - n)) for n in range(10)
    ]
    return study_of(*late, trial(10, 61.0, {"model.layers.0.input_keep_prob": 0.5}))


def level() -> optuna.Study:
    """All values alike, and all trials on a line."""
    values = [{"fit.decay_steps": 300 + n, "model.layers.0.input_keep_prob": 0.5 + n / 100} for n in range(10)]
    return study_of(*(trial(n, 61.0, params, epochs=(61.0,)) for n, params in enumerate(values)))


def uneven() -> optuna.Study:
    """Ranges that differ, parameters that some trials lack, values that are no numbers."""
    wide = {"fit.decay_steps": IntDistribution(1, 10**6), "fit.decay_rate": FloatDistribution(0.0, 1.0)}
    trials = [trial(n, 60.0 + n, {"fit.decay_steps": 200 + n}) for n in range(6)]
    trials += [trial(6 + n, 70.0, {"fit.decay_steps": 10 + n, "fit.decay_rate": n / 9}, wide) for n in range(6)]
    return study_of(
        *trials, trial(12, math.inf), trial(13, None, epochs=(math.nan, math.inf)), trial(14, None, epochs=(math.nan,))
    )


STUDIES = [rich, one, two, one_left, choices, single, pruned, level, uneven]


class Page(HTMLPage):
    @property
    def tiles(self) -> dict[str, str]:
        return dict(zip(self.all("dt"), self.all("dd"), strict=True))

    def table(self, label: str) -> list[list[str]]:
        """The rows that `label` announces, with their heading."""
        first = next(place for place, (_, given) in enumerate(self.elements) if given.get("aria-label") == label)
        rows: list[list[str]] = []
        for (tag, _), text in zip(self.elements[first + 1 :], self.texts[first + 1 :], strict=True):
            if tag == "tr":
                rows.append([])
            elif tag in {"th", "td"}:
                rows[-1].append(text)
            elif tag in {"div", "section"}:
                break
        return rows

    @property
    def figures(self) -> dict[str, dict]:
        """The figures by their titles; JSON proper, which knows no NaN."""
        figures = json.loads(self.all("script", id="data")[0], parse_constant=pytest.fail)
        labels = {given["id"]: given["aria-label"] for _, given in self.elements if given.get("class") == "plot"}
        assert list(labels) == list(figures)
        titles = (str(label).removeprefix("Chart. ").split(". ")[0] for label in labels.values())
        return dict(zip(titles, figures.values(), strict=True))


def numbers(values) -> list[float]:
    if not isinstance(values, dict):
        return list(values)
    flat = np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return flat.tolist()


def traces(figure: dict) -> dict[str, dict]:
    return {trace["name"]: trace for trace in figure["data"]}


def points(trace: dict) -> list[tuple[float, float]]:
    return list(zip(numbers(trace["x"]), numbers(trace["y"]), strict=True))


def make(study: optuna.Study, verdict: Verdict = VERDICT, subject: Subject = SUBJECT, toml: str = TOML) -> Page:
    return Page(sweep_report(subject, study, verdict, best_toml=toml))


@pytest.fixture(scope="module", autouse=True)
def light_pages():
    """Five megabytes of JavaScript less to read, but for the test that asks for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_module, "get_plotlyjs", lambda: "/* plotly.js */")
        yield


@pytest.fixture(scope="module")
def page(light_pages) -> Page:
    return make(rich())


def test_the_verdict_comes_first_and_sections_follow_in_order(page):
    assert page.all("h1") == ["sweep of recommended: report"]
    assert page.all("p", class_="lead") == [VERDICT.sentence]
    assert page.all("h2") == ["Verdict", "Search", "How it was made"]
    assert list(page.figures) == [
        "Seed by seed",
        "Tuned against untuned",
        "Every trial",
        "Importance",
        "Learning curves",
        *SPACE,
        "Parallel coordinates",
        *[title for title in page.figures if "×" in title],
    ]
    assert "abc123" in page.all("table", class_="facts")[0]
    assert page.all("pre") == [TOML]
    assert "wattcast train --config best.toml" in page.all("details")[0]


def test_tiles_are_those_of_the_study_and_the_verdict(page):
    assert page.tiles == {
        "best validation RMSE": "60.00 Wh",
        "untuned validation RMSE": "65.50 Wh",
        "test RMSE tuned, mean": "62.00 Wh",
        "test RMSE untuned, mean": "63.00 Wh",
        "trials (22 complete)": "30",
    }


def test_score_table_has_both_configurations_and_all_baselines(page):
    head, *rows = page.table("Scores on the test part")
    assert head == ["configuration", "test RMSE, Wh", "sd over seeds", "test MAE, Wh", "RMSE against untuned"]
    assert rows == [
        ["tuned", "62.00", "± 1.32", "39.50", "-1.00"],
        ["untuned", "63.00", "± 1.00", "41.00", ""],
        ["ridge on lags", "65.25", "", "44.00", "+2.25"],
        ["persistence", "71.50", "", "33.00", "+8.50"],
        ["training mean", "90.00", "", "70.00", "+27.00"],
        ["odd <b>", "66.00", "", "45.00", "+3.00"],
    ]
    assert [row.startswith("tuned") for row in page.all("tr", class_="marked")] == [True, False]


def test_both_intervals_are_told_in_words(page):
    assert "interval of the difference is -1.60 to -0.40 Wh: tuning helps." in page.words
    assert "It is -2.10 to +0.30 Wh: it holds 0, so there may be no difference." in page.words
    hurts = make(one(), replace(VERDICT, over_seeds=(0.1, 0.2), over_seeds_and_days=(0.1, 0.2)))
    assert hurts.words.count("+0.10 to +0.20 Wh: tuning hurts.") == 2


def test_each_seed_has_a_line_and_baselines_are_drawn_where_they_are_near(page):
    figure = traces(page.figures["Seed by seed"])
    assert points(figure["seed 12"]) == [(0, 63.0), (1, 61.5)]
    assert points(figure["seed 13"]) == [(0, 64.0), (1, 63.5)]
    assert numbers(figure["ridge on lags"]["y"]) == [65.25, 65.25]
    assert figure["ridge on lags"]["line"]["dash"] == "dash"
    assert not {"persistence", "training mean"} & figure.keys()
    assert "Too far away to be drawn: training mean (90.00 Wh), persistence (71.50 Wh)." in page.words
    assert numbers(figure["untuned, mean"]["y"])[0] == 63
    assert "Too far away" not in make(one(), replace(VERDICT, baselines={})).words


def test_difference_shows_both_intervals(page):
    over_seeds, over_days = page.figures["Tuned against untuned"]["data"]
    for trace, (low, high) in ((over_seeds, (-1.6, -0.4)), (over_days, (-2.1, 0.3))):
        error = trace["error_x"]
        assert numbers(trace["x"])[0] - error["arrayminus"][0] == pytest.approx(low)
        assert numbers(trace["x"])[0] + error["array"][0] == pytest.approx(high)
    low, high = page.figures["Tuned against untuned"]["layout"]["xaxis"]["range"]
    assert low < -2.1
    assert high > 0.3


def test_where_nothing_was_better_only_the_untuned_configuration_is_shown():
    page = make(one_left(), NOTHING_BETTER)
    assert page.tiles["test RMSE tuned, mean"] == "–"
    assert [row[0] for row in page.table("Scores on the test part")][1:3] == ["untuned", "ridge on lags"]
    assert "Tuned against untuned" not in page.figures
    assert points(traces(page.figures["Seed by seed"])["seed 11"]) == [(0, 62.0)]
    assert "There is no tuned configuration to compare with" in page.words


def test_history_shows_each_trial_by_its_ticket(page):
    figure = traces(page.figures["Every trial"])
    by_ticket = {one.user_attrs[TICKET]: one for one in rich().trials}
    assert points(figure["best"]) == [(17, 60.0)]
    assert points(figure["untuned"]) == [(0, 65.5)]
    assert points(figure["pruned, lowest until then"]) == [
        (ticket, min(by_ticket[ticket].intermediate_values.values())) for ticket in range(21, 27)
    ]
    complete = dict(points(figure["complete"]))
    assert complete == {ticket: by_ticket[ticket].value for ticket in range(1, 21) if ticket != 17}
    hover = figure["best"]["text"][0]
    assert hover.startswith("<b>trial 17</b>, complete<br>60.00 Wh, 3 epochs<br>fit.initial_learning_rate = 0.003162")


def test_the_untuned_line_is_at_the_value_of_ticket_0(page):
    line = traces(page.figures["Every trial"])["untuned, level"]
    assert points(line) == [(0, 65.5), (29, 65.5)]
    assert line["line"]["dash"] == "dash"
    assert "5.50 Wh below the untuned configuration" in page.words


def test_best_so_far_steps_down_and_never_up(page):
    line = traces(page.figures["Every trial"])["best so far"]
    assert line["line"]["shape"] == "hv"
    steps = numbers(line["y"])
    assert steps[0] == 65.5
    assert steps == sorted(steps, reverse=True)
    assert dict(points(line))[17] == 60.0
    assert points(line)[-1] == (29, 60.0)


def test_failed_trials_lie_on_the_lower_edge_and_what_is_far_off_on_the_upper(page):
    figure = page.figures["Every trial"]
    low, high = figure["layout"]["yaxis"]["range"]
    edge = 0.02 * (high - low)
    assert points(traces(figure)["failed"]) == [(27, pytest.approx(low + edge)), (28, pytest.approx(low + edge))]
    assert points(traces(figure)["above the axis"]) == [(29, pytest.approx(high - edge))]
    assert "5,000.00 Wh" in traces(figure)["above the axis"]["text"][0]
    assert 59 < low < 60
    assert 65.5 < high < 75


def test_learning_curves_are_told_apart(page):
    figure = traces(page.figures["Learning curves"])
    assert list(figure) == ["complete", "pruned", "untuned", "best"]
    assert points(figure["best"]) == [(1, 68.0), (2, 60.0), (3, 61.0), (None, None)]
    assert points(figure["untuned"])[:2] == [(1, 73.5), (2, 65.5)]
    assert figure["untuned"]["line"]["dash"] == "dash"
    assert figure["pruned"]["line"]["dash"] == "dot"
    assert numbers(figure["pruned"]["x"]) == [1, 2, 3, None] * 6
    assert "6 ended early (dotted)" in page.words


def test_importance_names_what_the_values_follow_from(page):
    shares = importances(Results.of(rich(), "Wh"))
    assert isinstance(shares, dict)
    assert sum(shares.values()) == pytest.approx(1)
    first, *_, last = shares
    assert first == "fit.initial_learning_rate"
    assert shares[first] > 0.5
    assert f"{first} mattered most ({100 * shares[first]:.0f} %), {last} least" in page.words
    assert f"By kind: learning rate {100 * shares[first]:.0f} %, " in page.words
    bars = page.figures["Importance"]
    assert numbers(bars["data"][0]["x"]) == sorted(100 * share for share in shares.values())
    assert bars["layout"]["yaxis"]["ticktext"][-1] == "initial_learning_rate "


def test_kinds_of_hyperparameters_are_summed():
    space = {f"model.layers.{n}.input_keep_prob": KEEP for n in range(2)} | {"model.readout_keep_prob": KEEP}
    draws = np.random.default_rng(1).uniform(0.5, 1, (12, 3))
    values = [dict(zip(space, map(float, row), strict=True)) for row in draws]
    page = make(study_of(*(trial(n, sum(of.values()), of, space) for n, of in enumerate(values))))
    assert "By kind: keep probabilities 100 %." in page.words
    assert {text.strip() for text in page.figures["Importance"]["layout"]["yaxis"]["ticktext"]} == {
        "layers.0.input_keep_prob",
        "layers.1.input_keep_prob",
        "readout_keep_prob",
    }


def test_slices_show_values_on_the_axes_they_were_drawn_from(page):
    rate = page.figures["fit.initial_learning_rate"]
    assert numbers(traces(rate)["best"]["x"]) == [pytest.approx(math.log10(1e-4 * 1000**0.5))]
    ticks = rate["layout"]["xaxis"]
    assert [10**place for place in ticks["tickvals"]] == pytest.approx([float(text) for text in ticks["ticktext"]])
    readout = page.figures["model.readout"]["layout"]["xaxis"]
    assert (readout["tickvals"], readout["ticktext"]) == ([0, 1, 2], ["states", "last_state", "last_output"])
    assert numbers(traces(page.figures["model.readout"])["best"]["x"]) == [17 % 3]
    assert page.figures["model.layers.0.units"]["layout"]["xaxis"]["ticktext"] == ["16", "32", "48"]
    assert page.figures["model.residual"]["layout"]["xaxis"]["ticktext"] == ["true", "false"]
    ranges = [page.figures[name]["layout"]["yaxis"]["range"] for name in SPACE]
    assert ranges == [page.figures["Every trial"]["layout"]["yaxis"]["range"]] * len(SPACE)
    assert "best 0.003162, untuned " in page.words


def test_parallel_coordinates_end_at_the_value_and_the_best_is_on_top(page):
    figure = page.figures["Parallel coordinates"]
    labels = figure["layout"]["xaxis"]["ticktext"]
    assert labels[0] == "initial_<br>learning_rate"
    assert labels[-1] == "<b>RMSE, Wh</b>"
    best = figure["data"][-1]
    assert numbers(best["y"])[len(SPACE)] == 0  # the lowest value
    assert best["text"][0].startswith("<b>trial 17</b>")
    assert best["line"]["width"] > max(trace["line"]["width"] for trace in figure["data"][:-1])
    drawn = [text for trace in figure["data"] for text in trace["text"][:: len(SPACE) + 2]]
    assert len(drawn) == len(set(drawn)) == 22
    heights = [y for trace in figure["data"] for y in numbers(trace["y"]) if y is not None]
    assert (min(heights), max(heights)) == (0, 1)
    texts = [note["text"] for note in figure["layout"]["annotations"]]
    assert {"states", "last_output", "true", "48"} <= set(texts)


def test_contours_are_those_of_the_most_important_pairs_that_have_an_order(page):
    shares = importances(Results.of(rich(), "Wh"))
    ordered = [name for name in shares if name not in {"model.readout", "model.residual"}][:3]
    titles = [title for title in page.figures if "×" in title]
    short = short_names([*SPACE])
    pairs = [(ordered[0], ordered[1]), (ordered[0], ordered[2]), (ordered[1], ordered[2])]
    assert titles == [f"{short[up]} × {short[across]}" for up, across in pairs]
    contour, *marks = page.figures[titles[0]]["data"]
    assert contour["type"] == "contour"
    surface = np.array(numbers(contour["z"]))
    assert np.nanmin(surface) >= 60
    assert np.nanmax(surface) <= contour["zmax"] < 75
    assert {mark["name"] for mark in marks} == {"complete", "pruned, lowest until then", "untuned", "best"}


def test_best_trials_are_ten_in_order_and_the_untuned_one_beside_them(page):
    head, *rows = page.table("Best trials")
    assert head == ["trial", "RMSE, Wh", "epochs", *SPACE, "MLflow run"]
    complete = sorted((one.value, one.user_attrs[TICKET]) for one in rich().trials if one.state == TrialState.COMPLETE)
    assert [row[0] for row in rows] == [*(str(ticket) for _, ticket in complete[:10]), "0 (untuned)"]
    assert rows[0][:4] == ["17", "60.00", "3", "0.003162"]
    assert rows[0][-1] == "run17"
    assert rows[-1][1] == "65.50"


def test_failed_trials_are_counted_by_reason():
    head, *rows = make(one_left()).table("Failed trials")
    assert head == ["reason", "count", "trials"]
    assert rows == [["ValueError: 0", "3", "0, 2, 4"], ["ValueError: 1", "3", "1, 3, 5"]]
    assert "Failed trials" not in make(single()).all("h3")


def test_without_the_untuned_trial_there_is_no_line():
    page = make(one_left())
    assert page.tiles["untuned validation RMSE"] == "–"
    assert "untuned, level" not in traces(page.figures["Every trial"])
    assert "Trial 0, the untuned configuration, is not complete" in page.words


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_makes_a_page_and_a_table(study):
    made = study()
    page = make(made)
    assert "Every trial" in page.figures
    assert not re.search(r"\b(nan|inf|None)\b", page.words)
    rows = pd.read_csv(io.StringIO(trials_csv(made)))
    assert rows["trial"].tolist() == list(range(len(made.trials)))


@pytest.mark.parametrize(
    ("study", "why"),
    [
        (one, "Importance: at least 8 trials with a value are needed, there are 1."),
        (one, "Learning curves: no trial has told of an epoch."),
        (one, "Parallel coordinates: two complete trials are needed, there are 1."),
        (two, "Contours: at least 8 trials with a value are needed, there are 2."),
        (single, "Importance: two hyperparameters are needed that all trials have and whose values differ."),
        (level, "Importance: all trials have the same value."),
        (choices, "Contours: two hyperparameters are needed whose values have an order and do not lie on a line."),
    ],
)
def test_what_cannot_be_drawn_says_why(study, why):
    page = make(study())
    assert f"Not drawn. {why}" in page.words
    assert why.split(":")[0] not in page.figures


def test_trials_on_a_line_have_no_contour():
    values = [{"fit.decay_steps": 300 + n, "model.layers.0.input_keep_prob": 0.5 + n / 100} for n in range(10)]
    space = {**SPACE, "fit.decay_steps": IntDistribution(200, 3000)}
    page = make(study_of(*(trial(n, 60.0 + n, params, space) for n, params in enumerate(values))))
    assert "Importance" in page.figures
    assert "do not lie on a line" in page.words


def test_nothing_is_loaded(monkeypatch):
    monkeypatch.setattr(page_module, "get_plotlyjs", get_plotlyjs)
    page = make(rich())
    for tag, attributes in page.elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not {"src", "srcset", "action", "data", "poster"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")  # a place on the page itself
    policy = [given["content"] for tag, given in page.elements if given.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"]
    style = page.all("style")[0]
    assert "url(" not in style
    assert "@import" not in style
    packed = page.all("script", id="plotly")[0]
    assert "plotly.js v" in gzip.decompress(base64.b64decode(packed)).decode()
    kinds = {trace.get("type") for figure in page.figures.values() for trace in figure["data"]}
    assert kinds <= {"scatter", "bar", "contour"}  # those that need WebGL need eval, too, which the policy forbids


def test_every_value_is_escaped():
    space = {HOSTILE: CategoricalDistribution((HOSTILE, "plain")), "b": KEEP, "c": KEEP}
    draws = np.random.default_rng(2).uniform(0.5, 1, (12, 2))
    values = [{HOSTILE: (HOSTILE, "plain")[n % 2], "b": float(b), "c": float(c)} for n, (b, c) in enumerate(draws)]
    trials = [trial(n, 60.0 + of["b"] + n % 2, of, space, epochs=(70.0, 61.0)) for n, of in enumerate(values)]
    failed = trial(12, None, values[0], space, reason=HOSTILE)
    failed.user_attrs[RUN_ID] = HOSTILE
    verdict = replace(VERDICT, baselines={HOSTILE: (62.5, 40.0)})
    page = make(study_of(*trials, failed), verdict, Subject(HOSTILE, {HOSTILE: HOSTILE}, simulated=True), HOSTILE)
    assert len(page.all("script")) == 3
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == ["#verdict", "#search", "#facts", "#configuration"]
    assert page.all("h1") == [f"{HOSTILE}: report"]
    assert page.all("pre") == [HOSTILE]
    assert page.table("Failed trials")[1] == [HOSTILE, "1", "12"]
    assert HOSTILE in page.table("Best trials")[0]
    assert page.table("Scores on the test part")[-1][0] == HOSTILE
    assert "<" not in page.all("script", id="data")[0]
    tags = set(re.findall(r"<[^>]*>", "".join(_strings(list(page.figures.values())))))
    assert tags <= {"<br>", "<b>", "</b>"}  # plotly reads these, and would follow a link


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in _strings(item)]


def test_banner_stands_only_over_simulated_readings():
    assert make(one(), subject=replace(SUBJECT, simulated=True)).all("p", class_="banner") == [BANNER]
    assert BANNER not in make(one()).words


def test_charts_are_named_for_those_who_do_not_see_them(page):
    plots = [given for tag, given in page.elements if given.get("class") == "plot"]
    assert len(plots) == len(page.figures)
    assert all(len(given["aria-label"] or "") > 30 for given in plots)


def test_csv_has_a_row_a_trial_and_each_value_in_full():
    table = pd.read_csv(io.StringIO(trials_csv(rich())))
    assert list(table) == [
        "trial",
        "state",
        "value",
        "epochs",
        "seconds",
        *Results.of(rich(), "Wh").names,
        "reason",
        "run_id",
    ]
    assert set(table) - {"reason", "run_id"} >= set(SPACE)
    assert table["trial"].tolist() == list(range(30))
    assert table["state"].value_counts().to_dict() == {"complete": 22, "pruned": 6, "fail": 2}
    kinds = {"trial": "i", "value": "f", "epochs": "i", "seconds": "f", "fit.decay_steps": "i", "model.residual": "b"}
    assert {name: table[name].dtype.kind for name in kinds} == kinds
    by_ticket = {one.user_attrs[TICKET]: one for one in rich().trials}
    assert table["fit.initial_learning_rate"].tolist() == [
        by_ticket[ticket].params["fit.initial_learning_rate"] for ticket in range(30)
    ]
    assert table["value"][17] == 60.0
    assert table["value"][21] == min(by_ticket[21].intermediate_values.values())
    assert table["value"][27:29].isna().all()
    assert table["epochs"].tolist() == [3] * 27 + [0, 0, 3]
    assert table["reason"].dropna().to_dict() == {27: "MemoryError: full", 28: "MemoryError: full"}
    assert table["run_id"].tolist() == [f"run{ticket}" for ticket in range(30)]


def test_csv_keeps_whole_numbers_whole_and_any_reason_in_its_cell():
    reason = 'ValueError: "a", b\n<script>'
    study = study_of(trial(0, 61.0, {"fit.decay_steps": 300}), trial(1, None, {}, reason=reason))
    assert ",300,,run0\n" in trials_csv(study)
    assert pd.read_csv(io.StringIO(trials_csv(study)))["reason"][1] == reason


def test_nothing_given_is_changed_and_the_same_makes_the_same():
    study, facts = rich(), {"run": "abc"}
    before = copy.deepcopy(study.trials)
    subject = Subject("x", facts, simulated=False)
    pages = {sweep_report(subject, study, VERDICT, best_toml=TOML) for _ in range(2)}
    assert len(pages) == 1
    assert study.trials == before
    assert facts == {"run": "abc"}


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["fit.epochs", "model.layers.0.units"], ["epochs", "units"]),
        (["model.layers.0.units", "model.layers.1.units"], ["layers.0.units", "layers.1.units"]),
        (["a.b", "c.b", "b"], ["a.b", "c.b", "b"]),
    ],
)
def test_short_names_tell_apart(names, short):
    assert list(short_names(names).values()) == short


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [([60, 61, 62, 63], 59.82, 63.18), ([60, 61, 62, 63, 9e9], 59.82, 63.18), ([61, 61], 60.39, 61.61), ([], -1, 1)],
)
def test_shown_range_leaves_out_what_is_far_above(values, low, high):
    assert shown_range(values) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("axis", "ends", "texts"),
    [
        (Axis("rate", log=True), (-4, -1), ["0.0001", "0.001", "0.01", "0.1"]),
        (Axis("steps", log=True), (math.log10(200), math.log10(3000)), ["300", "1000", "3000"]),
        (Axis("decade", log=True), (math.log10(0.0037), math.log10(0.018)), ["0.005", "0.01"]),
        (Axis("narrow", log=True), (math.log10(0.61), math.log10(0.79)), ["0.65", "0.7", "0.75"]),
        (Axis("keep"), (0.5, 1.0), ["0.6", "0.75", "0.9"]),
        (Axis("same"), (3.0, 3.0), ["3"]),
        (Axis("residual", choices=(True, False)), (0, 1), ["true", "false"]),
    ],
)
def test_ticks_are_round_numbers_within_the_ends(axis, ends, texts):
    assert list(axis.ticks(*ends).values()) == texts


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("units", "units"),
        ("initial_learning_rate", "initial_<br>learning_rate"),
        ("<b>", "&lt;b&gt;"),
        ("x" * 50, "x" * 23 + "…"),
    ],
)
def test_long_labels_are_wrapped_and_cut(text, label):
    assert wrapped(text) == label


def test_a_sweep_that_folds_have_judged_is_told_by_folds():
    study = rich()
    study.set_user_attr(FOLDS, 3)
    table = pd.read_csv(io.StringIO(trials_csv(study)))
    assert "epochs" not in table
    assert table["folds"].tolist() == [3] * 27 + [0, 0, 3]
    by_ticket = {one.user_attrs[TICKET]: one for one in study.trials}
    assert table["value"][21] == by_ticket[21].intermediate_values[3]  # the mean by then, which is not the lowest
    told = HTMLPage(sweep_report(SUBJECT, study, VERDICT, best_toml=TOML)).words
    assert "Mean validation RMSE up to each fold, a line a trial." in told
    assert "pruned, mean until then" in told
    assert "epoch" not in told


def test_a_verdict_over_folds_has_a_table_of_them():
    baselines = {"ridge": 65.0, "persistence": 71.0}
    folds = (
        InFold(1, "2016-05-01 00:00:00", 1999, untuned=62.0, tuned=61.0, baselines=baselines),
        InFold(2, "2016-05-14 00:00:00", 1999, untuned=64.0, tuned=64.5, baselines=baselines | {"ridge": 75.0}),
    )
    label = "RMSE of each fold of the test part"
    page = Page(sweep_report(SUBJECT, two(), replace(VERDICT, folds=folds), best_toml=TOML))
    assert page.table(label) == [
        ["fold", "cut", "forecasts", "tuned, Wh", "untuned, Wh", "difference, Wh", "best baseline, Wh"],
        ["1", "2016-05-01 00:00:00", "1,999", "61.00", "62.00", "-1.00", "65.00 (ridge on lags)"],
        ["2", "2016-05-14 00:00:00", "1,999", "64.50", "64.00", "+0.50", "71.00 (persistence)"],
    ]
    alone = tuple(replace(fold, tuned=None) for fold in folds)
    page = Page(sweep_report(SUBJECT, two(), replace(NOTHING_BETTER, folds=alone), best_toml=TOML))
    assert page.table(label)[1] == ["1", "2016-05-01 00:00:00", "1,999", "62.00", "65.00 (ridge on lags)"]
    assert label not in sweep_report(SUBJECT, two(), VERDICT, best_toml=TOML)
