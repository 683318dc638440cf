"""What becomes of models over months, told by a process that has nothing but the installed wheel.

    python -P verdict_stories.py STORY PLACE

Prints one JSON document; tests/stories/test_verdicts.py runs the stories. Nights have a stopped clock; verbs are the
installed command's.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from night_stories import PATIENCE_SECONDS, TOPICS, checked, opened, take_in, told_of_models

import adaptd

ADAPTD = (sys.executable, "-P", "-c", "from adaptd._launch import main; raise SystemExit(main())")
HOST = """
import sys
import adaptd

def moved(champion):
    print(champion.previous, champion.number, champion.path, flush=True)

adaptd.configure(config=sys.argv[1], strict=True)
print(adaptd.model_path("support", strict=False), flush=True)
adaptd.on_promotion(moved, "support")
for line in sys.stdin:  # between two requests
    adaptd.check_promotions()
    print(adaptd.model_path("support", strict=False), flush=True)
"""


def verb(place, *words):
    """What a verb prints, and that it went well."""
    done = subprocess.run([*ADAPTD, *words], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def record(day, count, topics, *, subjects=False):
    """So many, by turns of the first so many topics; of the same words every time, half of them corrected."""
    labels = list(TOPICS)[:topics]
    for number in range(count):
        label = labels[number % topics]
        words = f"{TOPICS[label][(number // topics) % 4]} {day} {number}: {number * number + day}"
        given = {"score": 95} if number % 2 else {"correction": label}
        given |= {"subject": f"person {day} {number}"} if subjects else {}
        output = label if number % 2 else labels[(number + 1) % topics]
        adaptd.record_feedback(id=f"d{day}-{number}", input=words, output=output, artifact_type="ticket", **given)
    adaptd.flush()


def live(place, day, count, topics, **more):
    """A day, and its night until the gate has decided; the kind of that decision."""
    with opened(place, day=day, hour=20) as world:
        before = len(world.decided())
        record(day, count, topics, **more)
        take_in(world)
        world.go_to(day + 1, 1.5)
        world.until(lambda: len(world.decided()) > before)
        world.turn()
        return world.decided()[-1][0]


def told(place, **more):
    with opened(place, day=900) as world:
        return told_of_models(world) | more


def two_promotions(place):
    """The second one has seen a topic that the first one had not."""
    assert live(place, 0, 120, 2) == "challenger_promoted"
    assert live(place, 60, 240, 3) == "challenger_promoted"


# The stories


def rolled_back(place):
    """Two promotions and a rollback; then a run leaves the same model again, and the one after it another."""
    two_promotions(place)
    said = verb(place, "models", "rollback", "support", "--reason", "it lied")
    leave_again(place / "state/models/support/0002", place / "left")
    live(place, 120, 60, 3)
    shutil.rmtree(place / "left")
    live(place, 180, 60, 3)
    explained = verb(place, "gate", "explain", "3")
    return told(place, said=said, explained=explained, new=new_in_batches(place))


def new_in_batches(place):
    """Of each batch the examples that it learnt anew."""
    with opened(place, day=900) as world:
        bodies = [body["rows"] for _, body in world.events("batch_formed")]
    return [
        [example for example, times in zip(rows["example"], rows["times_learnt"], strict=True) if not times]
        for rows in bodies
    ]


def leave_again(model, left):
    """From now on what this plugin trains is that model (see test_verdicts.STUCK)."""
    ours = shutil.ignore_patterns("card.json", "README.md", "manifest.json", "adaptd-manifest.json")
    shutil.copytree(model, left, ignore=ours)


def forgotten(place):
    """Everybody is a subject; of one that both models learnt from nothing is left in what is trained anew."""
    assert live(place, 0, 120, 2, subjects=True) == "challenger_promoted"
    whose = someone_learnt(place)
    said = json.loads(verb(place, "forget", whose, "--yes", "--retrain", "--json"))
    card = json.loads((place / "state/models/support/0001/card.json").read_text())
    listed = verb(place, "models", "list")
    live(place, 60, 240, 3, subjects=True)
    first = learnt(place, 1)
    (seq,) = [seq for seq, subject in first if subject == whose]
    run = np.load(place / "state/runs/run-0002/columns.npz")["example"].tolist()
    seen = {"seq": seq, "first": [one for one, _ in first], "run": run, "learnt": learnt(place, 2)}
    return told(place, whose=whose, said=said, card=card, listed=listed, **seen)


def learnt(place, batch):
    """The numbers of what a batch learnt, and whose each was, by the ids that `record` gave."""
    with opened(place, day=900) as world:
        (body,) = (body for _, body in world.events("batch_formed") if body["batch"] == batch)
        ids = dict(world.state.log.read_after(0, 1_000_000, ("seq", "id")))
        rows = [seq for seq in body["rows"]["example"] if seq > 0]
        return [(seq, "person " + ids[seq].removeprefix("d").replace("-", " ")) for seq in rows]


def someone_learnt(place):
    """Whose output was confirmed: a correction without its text is none in any case."""
    return next(subject for _, subject in learnt(place, 1) if int(subject.split()[-1]) % 2)


def host(place):
    """One process of a host, from before the first model to after the last; the daemon comes and goes."""
    words = [sys.executable, "-P", "-c", HOST, str(place / "config.toml")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        seen = [process.stdout.readline()]
        look = lambda: seen.append(asked(process))  # noqa: E731
        look()
        live(place, 0, 120, 2)
        look()
        look()
        live(place, 60, 240, 3)
        look()
        verb(place, "pause")
        with daemon(place):
            verb(place, "models", "rollback", "support", "--reason", "it lied")
            look()
        verb(place, "models", "promote", "support/2", "--reason", "it was the data")
        look()
        process.stdin.close()
    return told(place, seen=seen)


def asked(process):
    """What the host says until it has looked: lines of its callback, then the path."""
    process.stdin.write("\n")
    process.stdin.flush()
    lines = [process.stdout.readline()]
    while lines[-1][0].isdigit() or " " in lines[-1]:
        lines.append(process.stdout.readline())
    return [line.strip() for line in lines]


@contextmanager
def daemon(place):
    """`adaptd run`, from when it answers until it has ended."""
    with (place / "daemon.log").open("wb") as log:
        process = subprocess.Popen([*ADAPTD, "run"], cwd=place, stdout=log, stderr=log)
    end = time.monotonic() + PATIENCE_SECONDS
    while "running, process" not in verb(place, "status"):
        assert time.monotonic() < end
        time.sleep(0.1)
    yield
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0, (place / "daemon.log").read_text()


STORIES = {story.__name__: story for story in (rolled_back, forgotten, host)}

if __name__ == "__main__":
    name, folder = sys.argv[1:]
    os.chdir(folder)
    adaptd.configure(config=str(Path(folder, "config.toml")), strict=True)
    told_by = STORIES[name](Path(folder))
    print(json.dumps(told_by | {"checked": checked()}))
