"""A state folder with outputs on the sides that a test wants, and what is derived from them, made in this process."""

import numpy as np

from adaptd.plugin.moment import Moment
from daemon import sides
from daemon.clock_and_chance import SeededChance, StoppedClock
from daemon.derived import open_derived, owned
from daemon.opening import open_state
from daemon.pooling import Source
from daemon.prepare_child import prepare
from daemon.received import normalised
from daemon.settings import Settings
from daemon.texts import TextSource
from tests.intake_world import NOW, feedback, output

DAY = 86_400_000_000
WORDS = [
    "order",
    "parcel",
    "invoice",
    "customer",
    "refund",
    "account",
    "garden",
    "window",
    "river",
    "stone",
    "music",
    "paper",
    "cloud",
]


class DerivedWorld:
    """The real parts on one folder. `model` is what prepares; "hashing" needs none."""

    def __init__(self, folder, split_by="input"):
        self.state_dir = folder / "state"
        self.clock = StoppedClock(NOW)
        settings = Settings()
        self.state = open_state(self.state_dir, settings, self.clock, SeededChance(5))
        if split_by != "input":
            self.state.intake.follow(self.state.intake.rules._replace(split_by=split_by))
        self.ids = {}

    def close(self):
        self.state.close()

    def send(self, *lines):
        outcomes = self.state.intake.take_lines(lines, "socket", self.clock.now())
        assert all(outcome.error is None for outcome in outcomes), outcomes
        self.state.views.catch_up()
        for outcome in outcomes:
            self.ids[outcome.id] = outcome.seq
        return [outcome.seq for outcome in outcomes]

    def side_of(self, text):
        bucket = sides.Buckets(self.state.log.salt).of(normalised(text))
        drawn = self.state.views.examples.side_of_bucket(bucket)
        return sides.SIDES[drawn or sides.draw(bucket, self.state.views.examples.rated_judge_examples())]

    def text_on(self, side, like="{}"):
        """A text that falls on that side: `like` with the first number for which it does."""
        return next(text for number in range(10_000) if self.side_of(text := like.format(number)) == side)

    def output_on(self, side, event_id, like=None, rated=True, **fields):
        """An output on that side, with an up thumb; its number in the log."""
        text = self.text_on(side, like or f"{sentence(event_id)} {{}}")
        (seq,) = self.send(output(event_id, input=text, **fields))
        if rated:
            self.send(feedback(f"of {event_id}", event_id, thumb="up"))
        return seq

    def prepare(self, model="hashing"):
        with owned(self.state_dir) as mine:
            assert mine
            return prepare(self.state_dir, {"model": model, "up_to": self.state.log.head().seq})

    def derived(self):
        return open_derived(self.state_dir)

    def source(self, examples=None):
        destroyed = np.array(self.state.sealing.destroyed(), np.int64)
        texts = TextSource(self.state.log, self.state.sealing.unseal)
        return Source(examples or self.state.views.examples, self.derived(), texts, destroyed)

    def moment(self, position=None):
        return Moment(self.clock.now(), position or self.state.log.head().seq, 7)


def sentence(seed, words=12):
    """A text that is near to no other one's."""
    rng = np.random.default_rng(list(str(seed).encode()))
    return " ".join(f"{WORDS[place]}{rng.integers(10**6)}" for place in rng.integers(0, len(WORDS), words))
