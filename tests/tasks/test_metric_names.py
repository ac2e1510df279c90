from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from wattcast.tasks.metric_names import endings, of_baseline, of_curve, renamings


def test_final_scores_stand_before_curves_and_those_of_further_networks_behind_all() -> None:
    curves = [
        of_curve(name, refit=refit, member=member)
        for member in (1, 2)
        for refit in (False, True)
        for name in ("train_loss", "learning_rate", "seconds", "val_rmse")
    ]
    finals = ["test_mae", "test_rmse", "test_skill", of_baseline("test", "ridge", "rmse")]
    in_order = sorted(finals + curves)
    assert in_order[: len(finals)] == finals
    assert {name[:11] for name in in_order[-8:]} == {"z_member_2_"}
    assert not [name for name in in_order if "/" in name]


def test_the_first_target_has_the_plain_names() -> None:
    assert endings(["load", "lights"]) == {"load": "", "lights": ".lights"}
    assert renamings(["load", "lights"]) == ""


def test_no_two_targets_share_a_name() -> None:
    assert endings(["a", "b%", "b&", "b_"]) == {"a": "", "b%": ".b_-2", "b&": ".b_-3", "b_": ".b_"}
    assert endings(["a", "Load", "load"]) == {"a": "", "Load": ".Load", "load": ".load-2"}
    assert renamings(["a", "b%", "b_"]) == "Metrics of a target end in its name, but those of 'b%' in '.b_-2'."


@given(st.lists(st.text(min_size=1, max_size=200), min_size=1, max_size=8, unique=True))
def test_mlflow_takes_the_names_of_whatever_targets(targets: list[str]) -> None:
    made = endings(targets)
    assert list(made) == targets
    assert len({ending.casefold() for ending in made.values()}) == len(targets)
    for ending in made.values():
        _validate_metric_name(f"test_vs_persistence_rmse_at_288{ending}")
