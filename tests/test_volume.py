"""Counts per artifact type and day."""

import numpy as np

from daemon.views.volume import ALL_DAYS, DAY, FEEDBACK, OUTPUTS, Volume


def test_feedback_moves_to_the_type_of_an_output_that_came_later():
    """What fell to nothing is gone from the file as well."""
    volume, saved = Volume(), {}
    volume.add(np.array([DAY, DAY, 2 * DAY]), np.array([0, 0, 0], np.int32), FEEDBACK)
    saved |= volume.take_cells()
    volume.move(np.array([DAY, DAY]), np.array([0, 0], np.int32), np.array([2, 2], np.int32))
    volume.add(np.array([3 * DAY]), np.array([2], np.int32), OUTPUTS)
    saved |= volume.take_cells()
    assert {key: value for key, value in saved.items() if value} == {
        "000001/2": "0 2", "000002/0": "0 1", "000003/2": "1 0", "all/0": "0 1", "all/2": "1 2",
    }  # fmt: skip
    assert saved["000001/0"] is None


def test_restored_counts_go_on():
    """From their saved texts."""
    volume = Volume()
    volume.restore({"000001/2": "3 4", "all/2": "3 4"})
    volume.add(np.array([DAY]), np.array([2], np.int32), OUTPUTS)
    assert volume.counts == {(1, 2): [4, 4], (ALL_DAYS, 2): [4, 4]}
    assert volume.take_cells() == {"000001/2": "4 4", "all/2": "4 4"}
