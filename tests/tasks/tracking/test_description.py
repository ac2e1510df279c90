from __future__ import annotations

import pandas as pd

from wattcast.tasks.learning.diagnosis import Diagnosis
from wattcast.tasks.learning.evaluate import Evaluation, Score
from wattcast.tasks.tracking.description import describe_training, with_verdict


def scored(*targets: str) -> Evaluation:
    errors = {"gru": (57.4, 0.136), "ridge": (59.8, 0.1), "lightgbm": (57.7, 0.132)}
    scores = (
        Score(model, part, target, error, error / 2, 0.6, 25.0, skill)
        for part, shift in (("validation", 10), ("test", 0))
        for target in targets
        for model, (error, skill) in ((model, (rmse + shift, skill)) for model, (rmse, skill) in errors.items())
    )
    return Evaluation(tuple(scores), Diagnosis("good", "it fits", "keep it"), pd.DataFrame(), unit="Wh")


def test_a_training_is_described_beside_its_best_baseline() -> None:
    assert describe_training(scored("load"), "Trained on Monday.", "test") == (
        "load, test part: RMSE **57.4 Wh**, MAE 28.7 Wh, skill 13.6 %; the best baseline, lightgbm, has 57.7 Wh.\n\n"
        "Trained on Monday.\n\ngood: it fits."
    )


def test_several_targets_have_a_line_each_and_a_new_name_is_told() -> None:
    told = describe_training(scored("load", "b%"), "Trained on Monday.", "holdout")
    assert "load, held-out days: RMSE" in told
    assert "b%, held-out days: RMSE" in told
    assert told.endswith(r"those of 'b%' in '.b\_'.")


def test_a_verdict_stands_first_and_once() -> None:
    refused = with_verdict("load: 57 Wh.\n\nspan", promoted=False, reason="no better")
    assert refused == "**Refused**: no better.\n\nload: 57 Wh.\n\nspan"
    assert with_verdict(refused, promoted=True, reason="better") == "**Promoted**: better.\n\nload: 57 Wh.\n\nspan"
    assert with_verdict("", promoted=True, reason="better") == "**Promoted**: better."
