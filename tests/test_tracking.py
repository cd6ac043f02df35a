"""The experiment tracker on a local file: runs, artefacts, the registry, no telemetry."""

import pytest

from course import tracking

pytestmark = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader:sqlalchemy.exc.SADeprecationWarning"  # MLflow's own
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return folder, *tracking.open_store(folder, "fraud")


def test_runs_are_kept_with_their_metrics_and_can_be_searched(store):
    _, client, experiment = store
    for lam, ap in ((1, 0.3), (10, 0.4)):
        run = client.create_run(experiment)
        client.log_param(run.info.run_id, "lam", lam)
        client.log_metric(run.info.run_id, "ap", ap)
        client.set_terminated(run.info.run_id)
    best = client.search_runs([experiment], order_by=["metrics.ap DESC"])[0]
    assert best.data.params == {"lam": "10"}
    assert best.data.metrics == {"ap": 0.4}


def test_an_artefact_comes_back_as_it_was(store, tmp_path):
    folder, client, experiment = store
    (tmp_path / "model.npz").write_bytes(b"weights")
    run = client.create_run(experiment).info.run_id
    client.log_artifact(run, str(tmp_path / "model.npz"))
    (kept,) = (folder / "artifacts" / run).rglob("model.npz")
    assert kept.read_bytes() == b"weights"


def test_the_registry_moves_the_champion_there_and_back(store):
    _, client, _ = store
    client.create_registered_model("scores")
    for number in ("1", "2"):
        made = client.create_model_version("scores", f"file:///model/{number}")
        assert str(made.version) == number
    for number in ("1", "2", "1"):
        client.set_registered_model_alias("scores", "champion", number)
        found = client.get_model_version_by_alias("scores", "champion")
        assert str(found.version) == number


def test_a_second_opening_finds_the_experiment(store):
    folder, _, experiment = store
    _, again = tracking.open_store(folder, "fraud")
    assert again == experiment


def test_nothing_is_reported_to_the_makers(store):
    assert store  # MLflow may only be imported after it: the import starts reporting
    from mlflow.telemetry.client import get_telemetry_client
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert is_telemetry_disabled()
    assert get_telemetry_client() is None
