"""Under which names a registered model and its versions are known: to be asked without importing MLflow."""

MODEL = "appliances-energy-gru"
"""The registered model, unless another is named."""
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
