"""Indexes: built with the model in use, shown with no other one, before a promotion, and gone with their models."""

import json
import shutil

import numpy as np
import pytest

import adaptd
from adaptd.indexes import NoIndex
from adaptd.models import NoModel
from daemon import serving_requests
from daemon.asking_models import NoIndex as NoneConfigured
from daemon.asking_models import promote, reindex, roll_back
from daemon.gpus import NoGpus
from daemon.indexing import Indexing
from daemon.model_shelf import Shelf
from daemon.serving_requests import Owner, _models
from daemon.shelves import JudgesAndKeeps, Shelves
from daemon.views.models import Models
from tests import judging_world
from tests.judging_world import CONFIG, GUESSING

EMBEDS = GUESSING.replace(
    "    def predict(self, model, inputs, device):",
    """    def embed(self, model, inputs, device):
        told = json.loads((model / "model.json").read_text())
        if told.get("embeds") == "badly":
            raise RuntimeError("a secret text")
        if told.get("embeds") == "slowly":
            time.sleep(600)
        return np.array([[told["right"], len(text)] for text in inputs], np.float32).reshape(len(inputs), 2)

    def embedding_fingerprint(self, model):
        return "f" + str(json.loads((model / "model.json").read_text())["right"])

    def predict(self, model, inputs, device):""",
)
TABLE = '[workloads.guessing.index.articles]\ntexts = "articles.jsonl"\ndtype = "float32"\n'
OWN = "[workloads.guessing.index.own]\n"
ARTICLES = [{"id": "a", "text": "one"}, {"id": 7, "text": "three"}]


class World(judging_world.World):
    """A shelf whose indexes are built."""

    def __init__(self, folder, table=TABLE, more=""):
        super().__init__(folder, CONFIG.replace('ratings = "all"', f'ratings = "all"\n{more}') + table)
        (self.folder / "plugins/workloads/guessing.py").write_text(EMBEDS)
        self.articles(*ARTICLES)

    def come_back(self):
        super().come_back()
        state, place = self.state, self.judging._place
        self.shelves = Shelves(state.state_dir, state.log, state.views, state.sealing, 0)
        self.indexing = Indexing(place, state.log, state.views, self.shelves, NoGpus(), self.settings, self.chance)
        self.judging._indexes = self.indexing
        self.keeps = JudgesAndKeeps(self.judging, self.shelves, self.indexing)

    def articles(self, *rows):
        (self.folder / "articles.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def turn(self, night=judging_world.NIGHT, asked=(), seconds=0.05):
        told = self.keeps.turn(self.clock.advance(seconds=seconds), night, asked)
        self.told += told
        return told

    def close(self):
        self.indexing.stop()
        super().close()

    def model(self, number, right=0.5, state="champion", **more):
        """A model on the shelf that nobody judged."""
        source = self.base(right, f"made-{number}")
        (source / "model.json").write_text(json.dumps({"right": right} | more))
        Shelf(self.shelf()).put(number, source, {}, "")
        self.say("model_shelved", workload="guessing", model=number, run=None, batch=None, hash="aa", base=None)
        if state == "champion" and number:
            self.say("challenger_promoted", workload="guessing", model=number, previous=None, by="hand", level=None)

    def built(self):
        return [body for _, body in self.events("index_built")]

    def until_built(self, times):
        self.until(lambda: len(self.built()) == times)
        self.turn()

    def path(self, name="articles", **how):
        return adaptd.index_path("guessing", name, **how)

    def owner(self):
        return Owner(self.state, self.settings, None, self.clock, self.chance)


@pytest.fixture
def made(tmp_path, monkeypatch):
    worlds = []

    def make(*args, **how):
        worlds.append(World(tmp_path, *args, **how))
        adaptd.configure(config=worlds[0].folder / "config.toml", strict=False)
        return worlds[0]

    yield make
    for world in worlds:
        world.close()


def vectors_of(path):
    with open(f"{path}/embeddings.npy", "rb") as file:
        return np.load(file)


def test_an_index_of_the_model_in_use_is_built_from_a_file(made):
    """Vectors, ids and what they were made with lie in a folder of their own; the event says the same."""
    world = made()
    world.model(0)
    world.until_built(1)
    path = world.path()
    assert vectors_of(path).tolist() == [[0.5, 3.0], [0.5, 5.0]]
    with open(f"{path}/ids.json") as file:
        assert json.load(file) == ["a", 7]
    with open(f"{path}/index.json") as file:
        told = json.load(file)
    facts = {"workload": "guessing", "model": 0, "index": "articles", "build": 1, "fingerprint": "f0.5", "rows": 2}
    assert told == {"format": 1, **facts, "dimension": 2}
    assert world.built()[0].items() >= {**facts, "dimension": 2, "recorded": False}.items()
    assert not world.keeps.turn(world.clock.now(), None, ())


def test_an_index_of_recorded_inputs_has_their_numbers(made):
    """Every input of the workload's artifact types, whichever side it is on."""
    world = made(OWN, more='artifact_types = ["erd"]')
    world.rate(6)
    world.model(0)
    world.until_built(1)
    with open(f"{world.path('own')}/ids.json") as file:
        seqs = json.load(file)
    rows = world.state.log.read_after(0, 100, ("seq", "artifact_type", "side"))
    assert seqs == [seq for seq, kind, side in rows if kind == "erd" and side is not None]
    assert len(seqs) == 3
    assert vectors_of(world.path("own")).dtype == np.float16


def test_a_promotion_waits_for_its_index_and_both_swap_as_one(made):
    """Until then the old model stands with the old index; from then on the new one with the new one."""
    world = made()
    world.rate(120)
    world.model(0, right=0.2)
    world.until_built(1)
    world.finish_run(0.95)
    pairs = set()

    def look():
        model = adaptd.model_path("guessing")
        pairs.add((model[-4:], world.path(model=model).split("/")[-2]))
        return world.events("challenger_promoted")

    world.until(look)
    world.turn()
    look()
    assert pairs == {("0000", "0000"), ("0001", "0001")}
    kinds = [kind for kind, _ in world.events("challenger_judged", "index_built", "challenger_promoted")]
    assert kinds == ["index_built", "challenger_judged", "index_built", "challenger_promoted"]


def test_by_hand_a_promotion_waits_for_nothing(made):
    """No index is shown until somebody asks for one: never the old model's."""
    world = made(more='reindex = "by_hand"')
    world.rate(120)
    world.model(0, right=0.2)
    world.finish_run(0.95)
    assert world.decide()[0] == "challenger_promoted"
    world.turn()
    assert world.path() is None
    assert reindex(_models(world.owner()), {"guessing": ["articles"]}, None, "r1")["asked"][0]["model"] == 1
    world.until_built(1)
    assert world.path().split("/")[-2:] == ["0001", "articles.1"]


def test_a_model_whose_index_cannot_be_built_is_turned_down(made):
    """With the reason, which has no text of anybody; the old pair stays."""
    world = made()
    world.rate(120)
    world.model(0, right=0.2)
    world.until_built(1)
    world.finish_run(0.95, embeds="badly")
    kind, body = world.decide()
    assert kind == "challenger_turned_down"
    assert body["failed"].startswith("index 'articles': RuntimeError at ")
    assert "secret" not in body["failed"]
    assert world.path().split("/")[-2] == "0000"
    world.turn()
    assert sorted(one.name for one in (world.folder / "state/indexes/guessing").iterdir()) == ["0000"]


def test_a_rollback_brings_the_index_back(made):
    """It was kept with its model."""
    world = made()
    world.model(0, right=0.2)
    world.until_built(1)
    world.model(1, right=0.4)
    world.until_built(2)
    assert world.path().split("/")[-2] == "0001"
    roll_back(_models(world.owner()), "guessing", None, "r1")
    assert world.path().split("/")[-2] == "0000"
    promote(_models(world.owner()), "1", "again", "r2")
    assert world.path().split("/")[-2] == "0001"


def test_asked_again_it_is_built_again_from_the_texts_of_now(made):
    """The old build is shown until the new one is whole; asked twice by one request it is built once."""
    world = made()
    world.model(0)
    world.until_built(1)
    world.articles(*ARTICLES, {"id": "b", "text": "new"})
    before = world.path()
    for _ in range(2):
        reindex(_models(world.owner()), {"guessing": ["articles"]}, "guessing", "r1")
    assert world.path() == before
    world.until_built(2)
    assert world.path().endswith("articles.2")
    assert len(vectors_of(world.path())) == 3
    assert [one.name for one in (world.folder / "state/indexes/guessing/0000").iterdir() if not one.is_symlink()] == [
        "articles.2"
    ]


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)  # the dead one's
@pytest.mark.parametrize("again", [False, True])
def test_killed_anywhere_it_is_shown_whole_or_not_at_all(again, made):
    """A daemon that dies while the child builds, or before the link is set, comes back to the same end."""
    world = made()
    world.model(0)
    world.turn()
    if again:
        world.until_built(1)
        (world.folder / "state/indexes/guessing/0000/articles").unlink()
    world.die()
    world.come_back()
    assert world.path() is None
    world.until(lambda: world.path() is not None)
    assert len(world.built()) == 1
    assert len(vectors_of(world.path())) == 2


def test_an_index_that_was_deleted_is_built_again(made):
    """The log says that there is one, the disk has none."""
    world = made()
    world.model(0)
    world.until_built(1)
    shutil.rmtree(world.folder / "state/indexes")
    world.until_built(2)
    assert world.path().endswith("articles.2")


def test_indexes_go_with_their_models(made):
    """Those of the champion and of three to roll back to stay."""
    world = made()
    for number in range(6):
        world.model(number, right=0.1 * number)
        world.until_built(number + 1)
    kept = sorted(one.name for one in (world.folder / "state/indexes/guessing").iterdir())
    assert kept == ["0002", "0003", "0004", "0005"]


def test_a_forgotten_subject_is_in_no_index(made):
    """What was made of its texts goes at once, and is built again without them."""
    world = made(OWN)
    world.rate(3, subject="ann")
    world.rate(2)
    world.model(0)
    world.until_built(1)
    old = world.path("own")
    serving_requests._forget(world.owner(), {"subject": "ann"})
    assert world.path("own") is None
    assert not shutil.os.path.exists(old)
    world.until_built(2)
    assert len(vectors_of(world.path("own"))) == 2


def test_somebody_elses_index_is_written_by_their_function(made):
    """It is given ids, texts and what embeds, and a folder that is put in place whole."""
    world = made(TABLE + 'build = "my_index.py:build"\n')
    (world.folder / "my_index.py").write_text(
        "def build(texts, ids, embed, out):\n"
        "    (out / 'mine.txt').write_text(repr((texts, ids, embed(texts).tolist())))\n"
    )
    world.model(0)
    world.until_built(1)
    with open(f"{world.path()}/mine.txt") as file:
        assert eval(file.read()) == (["one", "three"], ["a", 7], [[0.5, 3.0], [0.5, 5.0]])


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (None, r"articles\.jsonl: .*No such file.*, expected JSON lines with id and text"),
        (
            '{"id": "a"}',
            r"articles\.jsonl, line 1: expected a JSON object with an id \(a text or a number\) and a text",
        ),
        ('{"id": 1, "text": ""}\n{"id": 1, "text": "b"}', r"the id 1 is there twice, expected each once"),
    ],
)
def test_texts_that_cannot_be_read_are_told_once(lines, told, made):
    """It is not tried again before somebody asks."""
    world = made()
    (world.folder / "articles.jsonl").unlink()
    if lines is not None:
        (world.folder / "articles.jsonl").write_text(lines)
    world.model(0)
    world.until(lambda: world.events("index_failed"))
    (failed,) = world.events("index_failed")
    assert pytest.importorskip("re").search(told, failed[1]["reason"])
    for _ in range(3):
        assert not world.turn()


@pytest.mark.parametrize(
    ("build", "told"),
    [
        ("nowhere_at_all:build", "expected a file beside config.toml, or a module"),
        ("my_index.py:other", "no function 'other' there, expected one of (texts, ids, embed, out)"),
    ],
)
def test_a_builder_that_is_not_there_is_told(build, told, made):
    """With what was expected."""
    world = made(TABLE + f'build = "{build}"\n')
    (world.folder / "my_index.py").write_text("def build():\n    pass\n")
    world.model(0)
    world.until(lambda: world.events("index_failed"))
    assert told in world.events("index_failed")[0][1]["reason"]


def test_a_workload_that_makes_no_embeddings_is_told(made):
    """It has no index."""
    world = made()
    (world.folder / "plugins/workloads/guessing.py").write_text(GUESSING)
    world.model(0)
    world.until(lambda: world.events("index_failed"))
    assert "makes no embeddings, expected `embed`" in world.events("index_failed")[0][1]["reason"]


def test_a_host_is_told_why_there_is_no_index(made):
    """Where it asks to be told."""
    world = made()
    with pytest.raises(NoModel):
        world.path(strict=True)
    world.model(0)
    world.turn()
    for name, model, told in (
        ("other", None, r"index_path\('guessing', 'other'\): model 0 has none of that name yet\. `adaptd status`"),
        ("articles", "/some/where", "no index can be of '/some/where', expected a folder of model_path"),
    ):
        with pytest.raises(NoIndex, match=told):
            world.path(name, model=model, strict=True)
    world.until_built(1)
    shutil.rmtree(world.path())
    with pytest.raises(NoIndex, match="the one of model 0 is gone"):
        world.path(strict=True)


def test_asking_for_what_config_toml_has_not_is_told(made):
    """No index, no such workload, no model yet."""
    world = made()
    place = _models(world.owner())
    with pytest.raises(NoneConfigured, match=r"names no index of workload 'x', expected .*; guessing has one"):
        reindex(place, {"guessing": ["articles"], "x": []}, "x", "r1")
    with pytest.raises(NoneConfigured, match="reindex: guessing has no model in use yet, expected one"):
        reindex(place, {"guessing": ["articles"]}, None, "r2")


def test_the_view_tells_how_the_newest_build_ended(made):
    """By the model that it was built with."""
    world = made()
    world.model(0)
    world.until_built(1)
    found = world.state.views.of(Models).standing("guessing").models[0].indexes
    assert found["articles"]["build"] == 1


def test_an_end_that_was_wished_for_is_no_failed_try(made):
    """A pause, a daemon that ends and begins: however often, it is begun again."""
    world = made()
    world.model(0, embeds="slowly")
    for _ in range(5):
        world.turn()
        world.indexing.stop()
    assert world.turn() == ["guessing: model 0 gets its index on cpu"]
    assert not world.events("index_failed")
