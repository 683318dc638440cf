"""A night's run trains sbert in a process of its own, from the log, and leaves a model with its manifest."""

import pytest
import yaml

from daemon.night_settings import WorkloadSettings
from plugins.workloads.sbert.fingerprint import embedding_fingerprint
from plugins.workloads.sbert.model_folder import Model
from tests.run_world import Config, World
from tests.sbert_world import small_model

pytestmark = pytest.mark.slow
SETTINGS = {"epochs": 3, "batch_size": 4, "learning_rate": 1e-3, "evaluation_steps": 2, "checkpoint_every": 2}


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    made = World(tmp_path)
    told = WorkloadSettings(plugin="sbert", base_model=str(small_model()), settings=SETTINGS)
    made.config = Config({"answers": told})
    made.queue = made._queue()
    yield made
    made.close()


def test_a_batch_becomes_a_model_that_answers(world):
    """Labels are the outputs that scores confirmed; the fingerprint is that of the finished folder."""
    world.batches.add("answers")
    world.until(world.is_("finished"))
    body = dict(world.events())["run_finished"]
    assert body["metrics"]["steps"] > 0
    folder = world.of().model
    model = Model.load(folder)
    assert {"out 7", "out 8", "out 9"} <= set(model.head.classes)
    assert (folder / "adaptd-manifest.json").is_file()
    info = yaml.safe_load((folder / "training_info.yaml").read_text())
    assert info["embedding_fingerprint"] == embedding_fingerprint(folder)
