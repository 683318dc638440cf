"""Stages by difficulty, batches that move on within a stage, and a state that advances after three good evaluations."""

import copy
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.curriculum_learner import MODES, STAGES, CurriculumLearner, CurriculumState

HARD = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3499, 0.35, 0.4, 0.5, 0.6499, 0.65, 0.8, 1.0]), max_size=25)
SCORES = st.lists(st.sampled_from([0, 74, 75, 75.1, 80, 100]), max_size=30)


def at(stage, **options):
    learner = CurriculumLearner(**options)
    learner.restore(CurriculumState(stage=stage))
    return learner


def examples_of(difficulties):
    """Examples that are as hard as told: the score is their only signal."""
    return [{"validation_score": 100 - 100 * hard, "place": place} for place, hard in enumerate(difficulties)]


def by_score(**options):
    return CurriculumLearner(weights={"past_score": 1.0}, **options)


@given(HARD)
def test_the_thresholds_make_the_stages(difficulties):
    """Below 0.35 easy, below 0.65 medium, hard from there on; every row is in one of them, easiest first."""
    learner = CurriculumLearner()
    easy, hard = learner.order(difficulties, "easy"), learner.order(difficulties, "hard")
    for rows, low, high in ((easy, 0, 0.35), (hard, 0.65, 2)):
        wanted = sorted((value, row) for row, value in enumerate(difficulties) if low <= value < high)
        assert [(difficulties[row], row) for row in rows] == wanted
    medium = {row for row, value in enumerate(difficulties) if 0.35 <= value < 0.65}
    assert set(learner.order(difficulties, "medium").tolist()) == medium | set(easy.tolist())
    assert sorted(learner.order(difficulties, "mixed").tolist()) == list(range(len(difficulties)))


def test_the_medium_stage_has_one_easy_example_to_every_two():
    """While there are both; then the rest, and within each the easiest first."""
    found = CurriculumLearner().order([0.5, 0.1, 0.4, 0.0, 0.6, 0.45, 0.2, 0.3], "medium")
    assert found.tolist() == [3, 2, 5, 1, 0, 4, 6, 7]


@given(SCORES)
def test_three_evaluations_in_a_row_above_75_lead_on(scores):
    """As counted by hand: 75 itself is not above, a lower one starts the count again, mixed is the last."""
    learner, stage, above = CurriculumLearner(), 0, 0
    for number, score in enumerate(scores, start=1):
        above = above + 1 if score > 75 else 0
        if above == 3 and stage < 3:
            stage, above = stage + 1, 0
        state = learner.record_evaluation(score)
        assert (state.stage, state.evaluations) == (STAGES[stage], number)
        assert learner.current_stage == state.stage


def test_how_fast_it_goes_on_can_be_set():
    """One evaluation above 50 is enough where the caller says so."""
    learner = CurriculumLearner(progression_score=50, evaluations_to_advance=1)
    assert [learner.record_evaluation(score).stage for score in (50, 51, 51)] == ["easy", "medium", "hard"]


@given(difficulties=HARD, stage=st.sampled_from(STAGES), size=st.integers(1, 30), batches=st.integers(1, 4))
def test_columns_and_examples_give_the_same_batches(difficulties, stage, size, batches):
    """The V2 calls hand out the examples of the rows that the columns name, batch after batch."""
    examples = examples_of(difficulties)
    one, other = by_score(), by_score()
    for learner in (one, other):
        learner.restore(CurriculumState(stage=stage))
    hard = one.difficulties_of(examples)
    stages = other.organize_by_curriculum(examples)
    for _ in range(batches):
        rows, name = one.next_rows(hard, size)
        batch, same_name = other.get_next_training_batch(stages, batch_size=size)
        assert [example["place"] for example in batch] == rows.tolist()
        assert name == same_name == stage
    assert one.state == other.state


@given(difficulties=HARD, stage=st.sampled_from(STAGES), size=st.integers(1, 30))
def test_a_batch_is_full_where_the_pool_allows_it(difficulties, stage, size):
    """No row twice; a short stage is filled from its neighbours, never past the pool."""
    rows, _ = at(stage).next_rows(difficulties, size)
    assert len(set(rows.tolist())) == len(rows)
    assert len(rows) >= min(size, len(CurriculumLearner().order(difficulties, stage)))
    if stage != "mixed" and len(rows) < size:
        assert len(rows) == len(difficulties)


def test_a_short_stage_is_filled_with_what_is_nearest():
    """Easy upwards, medium upwards (it holds the easy ones), hard downwards."""
    difficulties = [0.9, 0.0, 0.4, 0.5, 0.7]
    assert at("easy").next_rows(difficulties, 3)[0].tolist() == [1, 2, 3]
    assert at("medium").next_rows(difficulties, 4)[0].tolist() == [1, 2, 3, 4]
    assert at("hard").next_rows(difficulties, 4)[0].tolist() == [4, 0, 3, 2]


def test_batches_move_on_through_a_stage_and_begin_again():
    """What was handed out comes last; a new stage begins at its beginning."""
    learner, difficulties = CurriculumLearner(), [0.0, 0.1, 0.2, 0.3, 0.9]
    batches = [learner.next_rows(difficulties, 3)[0].tolist() for _ in range(3)]
    assert batches == [[0, 1, 2], [3, 0, 1], [2, 3, 0]]
    for _ in range(3):
        learner.record_evaluation(90)
    assert learner.state == CurriculumState("medium", above=0, served=0, evaluations=3)


def test_switched_off_it_is_one_shuffled_stage():
    """Mixed from the start, the same shuffle for the same seed, and evaluations lead nowhere."""
    learner, difficulties = CurriculumLearner(mode="off", seed=3), np.linspace(0, 1, 50)
    rows, stage = learner.next_rows(difficulties, 50)
    assert (stage, sorted(rows.tolist())) == ("mixed", list(range(50)))
    assert rows.tolist() == CurriculumLearner(mode="off", seed=3).next_rows(difficulties, 50)[0].tolist()
    assert rows.tolist() != CurriculumLearner(mode="off", seed=4).next_rows(difficulties, 50)[0].tolist()
    assert {learner.record_evaluation(100).stage for _ in range(5)} == {"mixed"}


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20))
def test_by_loss_the_rank_of_the_loss_is_the_difficulty(losses):
    """The share of the others whose loss is lower; equal losses are equally hard."""
    learner = CurriculumLearner(mode="by_loss")
    slow = [sum(other < loss for other in losses) / max(len(losses) - 1, 1) for loss in losses]
    assert learner.difficulties(losses=losses).tolist() == slow
    assert learner.difficulties_of([{"loss": loss} for loss in losses]).tolist() == slow
    assert learner.difficulties_of([{} for _ in losses], losses).tolist() == slow


def test_an_example_s_difficulty_is_made_of_named_signals():
    """Which can be looked at, weighed and told of other artifact types."""
    learner = CurriculumLearner(complexity={"poem": 1.0}, weights={"artifact_type": 1, "input_length": 1})
    example = {"input": "x" * 400, "artifact_type": "poem", "score": 0}
    assert learner.explain_difficulty(example).signals == {"input_length": 0.5, "artifact_type": 1.0}
    assert learner.difficulties_of([example]).tolist() == [0.75]
    assert learner.difficulties(input_lengths=[400], artifact_types=["poem"], scores=[0]).tolist() == [0.75]


def test_the_document_s_stages_are_told_apart():
    """A short question for a simple artifact is easy, a long one for a complex artifact is hard."""
    stages = CurriculumLearner().organize_by_curriculum(
        [
            {"input_data": "Draw an ERD of a shop", "ai_output": "erDiagram", "artifact_type": "erd"},
            {"input_data": "x" * 3_000, "ai_output": "y" * 6_000, "artifact_type": "architecture"},
            {"input_data": "x" * 500, "ai_output": "y" * 1_200, "artifact_type": "code_prototype"},
        ]
    )
    assert [len(stages[stage]) for stage in STAGES] == [1, 2, 1, 3]


def test_examples_stay_the_caller_s_own():
    """The very objects come back, unchanged; texts of any kind have a difficulty."""
    examples = [{"input": text, "artifact_type": "new"} for text in ("", "😀" * 9, "Grüße, 你好", "x" * 1_000_000)]
    kept, learner = copy.deepcopy(examples), CurriculumLearner()
    batch, _ = learner.get_next_training_batch(learner.organize_by_curriculum(examples), batch_size=9)
    assert {id(example) for example in batch} == {id(example) for example in examples}
    assert examples == kept


def test_an_empty_pool_gives_an_empty_batch():
    """In every stage, by columns and by examples."""
    for stage in STAGES:
        learner = at(stage)
        assert learner.get_next_training_batch(learner.organize_by_curriculum([])) == ([], stage)
        assert learner.next_rows([])[0].tolist() == []


def test_the_state_is_a_value_that_is_stored_and_restored():
    """Through JSON, and the restored learner goes on as the other does; the old value is not changed by it."""
    learner = CurriculumLearner()
    learner.record_evaluation(90)
    learner.next_rows([0.1] * 5, 3)
    before = learner.state
    other = CurriculumLearner()
    other.restore(json.loads(json.dumps(learner.state_as_json())))
    assert other.state == before == CurriculumState("easy", above=1, served=3, evaluations=1)
    assert learner.next_rows([0.1] * 5, 3)[0].tolist() == other.next_rows([0.1] * 5, 3)[0].tolist() == [3, 4, 0]
    assert before.served == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda c: type(c)(easy_threshold=0.7),
            "easy_threshold: found 0.7, expected at most the medium_threshold, 0.65.",
        ),
        (lambda c: type(c)(medium_threshold=35), "thresholds[1]: found 35.0, expected numbers from 0 to 1."),
        (
            lambda c: type(c)(progression_score=math.nan),
            "progression_score[0]: found nan, expected numbers from 0 to 100.",
        ),
        (lambda c: type(c)(evaluations_to_advance=0), "evaluations_to_advance: found 0, expected a whole number of at"),
        (lambda c: type(c)(mode="on"), f"mode: found 'on', expected one of {', '.join(MODES)}."),
        (lambda c: type(c)(weights={"luck": 1}), "difficulty signal: found 'luck', expected one of input_length"),
        (lambda c: type(c)(complexity={"erd": 7}), "complexity[0]: found 7.0, expected numbers from 0 to 1."),
        (lambda c: c.record_evaluation(math.inf), "score[0]: found inf, expected numbers from 0 to 100."),
        (lambda c: c.order([math.nan]), "difficulties[0]: found nan, expected numbers from 0 to 1."),
        (lambda c: c.order([0.5], "harder"), "stage: found 'harder', expected one of easy, medium, hard, mixed."),
        (lambda c: c.next_rows([0.5], 0), "batch_size: found 0, expected a whole number of at least 1."),
        (
            lambda c: c.get_next_training_batch({"easy": []}),
            "stages: found ['easy'], expected the four of organize_by_curriculum: easy, medium, hard, mixed.",
        ),
        (
            lambda c: c.restore({"stage": "easy"}),
            "curriculum state: found ['stage'], expected the fields stage, above, served, evaluations.",
        ),
        (
            lambda c: c.restore({**CurriculumLearner().state_as_json(), "stage": "end"}),
            "stage: found 'end', expected one of easy, medium, hard, mixed.",
        ),
        (
            lambda c: type(c)(mode="by_loss").difficulties(input_lengths=[1]),
            "losses: found None, expected a loss for each example. Hand them over, or take another mode than",
        ),
        (lambda c: type(c)(mode="by_loss").difficulties_of([{}]), "losses[0]: found nan, expected finite numbers."),
        (
            lambda c: type(c)(mode="by_loss").difficulties_of([{}], [1, 2]),
            "columns: found {'examples': 1, 'losses': 2}",
        ),
        (
            lambda c: c.organize_by_curriculum([{"score": 101}]),
            "scores[0]: found 101.0, expected numbers from 0 to 100.",
        ),
    ],
)
def test_what_makes_no_curriculum_is_refused(call, message):
    """The message names the argument, the value and what was expected."""
    with pytest.raises(BadInput) as told:
        call(CurriculumLearner())
    assert str(told.value).startswith(message)
