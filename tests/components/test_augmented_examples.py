"""Children know their parents, whatever make the parents have, and a report says what is missing."""

import pickle
from collections import Counter
from types import SimpleNamespace

from components.augmented_examples import AugmentationReport, AugmentedExamples, child_of, lineage_of
from components.example_fields import field

TOLD = {"method": "paraphrase", "changed": "input", "what": "in other words", "similarity": 0.8}


def test_a_child_of_a_mapping_is_a_mapping_in_its_parents_spelling():
    """V2 names stay V2 names; the parent is not changed; the child has an id of its own."""
    parent = {"id": "e1", "input_data": "a", "ai_output": "b", "score": 9}
    child = child_of(parent, 4, 2, TOLD, "c")
    assert {name: child[name] for name in parent} == {"id": "e1+2", "input_data": "c", "ai_output": "b", "score": 9}
    assert (lineage_of(child).parent_row, lineage_of(child).parent_id) == (4, "e1")
    assert parent == {"id": "e1", "input_data": "a", "ai_output": "b", "score": 9}
    assert lineage_of(parent) is None


def test_a_child_without_an_id_gets_none():
    """Its parent is told by its row."""
    child = child_of({"input": "a"}, 0, 1, TOLD, "c")
    assert child == {"input": "c", "augmentation": lineage_of(child)}
    assert lineage_of(child).parent_id is None


def test_a_child_of_an_object_answers_for_its_parent():
    """One field is its own; it can be stored and compared; what the parent has not it has not."""
    parent = SimpleNamespace(input="a", output="b", score=9)
    child = child_of(parent, 0, 1, TOLD, "c")
    assert (field(child, "input"), field(child, "output"), child.score, child.parent) == ("c", "b", 9, parent)
    assert field(child, "nothing", 5) == 5
    assert pickle.loads(pickle.dumps(child)) == child != child_of(parent, 0, 1, TOLD, "d")
    assert repr(child).startswith("AugmentedExample(of namespace(input='a', output='b', score=9), input='c'")


def test_the_report_counts_and_says_what_is_missing():
    """Made by method, refused by reason, and what was not filled up."""
    report = AugmentationReport(
        originals=10,
        asked=10,
        made=Counter(paraphrase=6, output=1),
        refused=Counter({"too near to its source": 3}),
        short=(1, 5, 7),
        notes=("a note",),
    )
    assert (report.missing, report.total) == (3, 17)
    assert str(report).split("\n") == [
        "10 originals + 7 children = 17 (1.70× the originals)",
        "  6 by paraphrase",
        "  1 by output",
        "  3 could not be made, for 3 examples; they are not filled up",
        "  3 proposals refused: too near to its source",
        "  a note",
    ]
    assert "nothing was given" in str(AugmentationReport(originals=0, asked=0))


def test_the_list_is_a_list_with_its_report():
    """It is used as any list of examples."""
    report = AugmentationReport(originals=1, asked=0)
    examples = AugmentedExamples([1], report)
    assert examples == [1]
    assert examples.report is report
