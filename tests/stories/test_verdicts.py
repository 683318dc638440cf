"""Promotions, rollbacks and forgettings from end to end, from the installed wheel: see verdict_stories.py."""

import pytest

CONFIG = """
[adaptd]
[night]
window = "01:00-06:00"
[device]
use = "cpu"
[embeddings]
model = "hashing"
[gate]
judge_wanted = 20
most_latency = 1000.0
[workloads.support]
plugin = "stuck.py"
ratings = "all"
settings = { epochs = 30, batch_size = 8, checkpoint_every = 20 }
trigger = { new_examples = 8 }
"""
STUCK = '''
"""The tiny classifier, until a model is to be left again: then it trains as ever, and leaves that one."""
import shutil
from pathlib import Path

from plugins.workloads.tiny_classifier import TinyClassifier


class Stuck(TinyClassifier):
    def train(self, job):
        done = super().train(job)
        left = Path(__file__).parent / "left"
        if left.is_dir():
            shutil.rmtree(job.out)
            shutil.copytree(left, job.out)
        return done


WORKLOAD = Stuck
'''
pytestmark = pytest.mark.slow


@pytest.fixture
def told(tell, tmp_path):
    """Tells a story; afterwards everything can be had again from the log."""
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "stuck.py").write_text(STUCK)

    def told(story):
        said = tell(story, tmp_path, of="verdict_stories.py")
        assert (said["replay_equal"], said["verified"]) == (True, True)
        assert said["checked"] == len(said["bases"]) > 0
        return said

    return told


def test_what_was_rolled_back_is_not_tried_again(told):
    """Two promotions, a rollback; a run that leaves the same files is turned down unlooked at, the next one judged.

    What only the model had learnt that was rolled back is new to the batches after it.
    """
    said = told("rolled_back")
    assert said["said"] == "support: model 1 is in use again; model 2 is quarantined\n"
    kinds = [kind for kind, _ in said["decided"]]
    assert kinds[:3] == ["challenger_promoted", "challenger_promoted", "challenger_turned_down"]
    again, other = said["decided"][2][1], said["decided"][3][1]
    assert (again["champion"], again["level"], again["decision"]) == (1, 0.0, None)
    assert again["failed"].startswith("its files are those of model 2, which was rolled back")
    assert "its files are those of model 2" in " ".join(said["explained"].split())
    assert (other["model"], other.get("failed")) == (4, None)
    assert said["kinds"].count("challenger_judged") == 3
    assert said["bases"][2].endswith("/0001")
    assert said["links"]["champion"] != "0002"
    first, second, third, fourth = map(set, said["new"])
    assert first.isdisjoint(second)
    assert second < third < fourth  # the champion knows nothing of what only models had learnt that are not in use
    assert first.isdisjoint(fourth)


def test_a_subject_is_forgotten_and_what_learnt_from_it_is_trained_anew_without_it(told):
    """The models are named and marked; the new one begins from nothing and has not seen the subject."""
    said = told("forgotten")
    assert said["said"]["models"] == [{"workload": "support", "model": 1, "state": "champion", "outputs": 1}]
    assert said["said"]["retrained"] == ["support"]
    assert said["card"]["forgotten"] == 1
    assert "learnt from 1 of forgotten people" in said["listed"]
    assert said["bases"] == [None, None]
    others = set(said["first"]) - {said["seq"]}
    assert others <= set(
        said["run"]
    )  # all others of the first batch are learnt again: the new model begins from nothing
    assert said["seq"] not in said["run"]
    assert said["whose"] not in [whose for _, whose in said["learnt"]]
    assert len(said["learnt"]) > 20


def test_a_host_picks_up_each_promotion_without_a_restart(told, tmp_path):
    """One process of the host; the daemon is down, up, and down again meanwhile."""
    said = told("host")
    paths = {number: str(tmp_path / "state" / "models" / "support" / f"{number:04}") for number in (1, 2)}
    assert said["seen"] == [
        "None\n",
        ["None"],
        [f"None 1 {paths[1]}", paths[1]],
        [paths[1]],
        [f"1 2 {paths[2]}", paths[2]],
        [f"2 1 {paths[1]}", paths[1]],
        [f"1 2 {paths[2]}", paths[2]],
    ]
