"""Experiment tracking with MLflow in one local file; nothing leaves this machine.

`mlflow-skinny` with SQLAlchemy has all that the lessons use: runs, metrics, artefacts,
the registry of models with its aliases. Its web page is in the full package only.
Why MLflow: docs/decisions/0005-experiment-tracker.md.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from course import settings

if TYPE_CHECKING:
    from mlflow import MlflowClient


def open_store(folder: Path, experiment: str) -> "tuple[MlflowClient, str]":
    """Return MLflow's client on a SQLite store in `folder`, and the experiment's id.

    The store is created if it is not there, which takes some seconds. `mlflow` itself
    is set to the same store, so `mlflow.start_run(experiment_id=...)` works too.
    Artefacts go into `folder / "artifacts"`.

    Args:
        folder: of the store; created.
        experiment: its name.
    """
    settings.no_telemetry()  # before the import, which would start the reporting
    import mlflow

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    store = (folder / "mlflow.db").resolve().as_posix()
    mlflow.set_tracking_uri(f"sqlite:///{store}")
    mlflow.set_registry_uri(f"sqlite:///{store}")
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(experiment)
    if found is not None:
        return client, found.experiment_id
    place = (folder / "artifacts").resolve().as_uri()
    return client, client.create_experiment(experiment, artifact_location=place)
