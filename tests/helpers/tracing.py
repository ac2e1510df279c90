"""Counts what TensorFlow traces: nothing, where one program serves many trainings."""

import pytest
from tensorflow.python.framework import func_graph


def count_traces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by a name with each graph that is traced from now on, whoever asks for it."""
    names: list[str] = []
    begin = func_graph.FuncGraph.__init__

    def counted(graph: func_graph.FuncGraph, name: str, *given: object, **options: object) -> None:
        names.append(name)
        begin(graph, name, *given, **options)

    monkeypatch.setattr(func_graph.FuncGraph, "__init__", counted)
    return names
