"""A search finds better settings, keeps its budget, says what failed, and begins with what is known."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.bad_input import BadInput
from components.hyperparameter_optimizer import HyperparameterOptimizer, worked_example
from components.search_space import DEFAULTS, SEARCH_SPACE, Range, checked_params, checked_space
from components.trial_scoring import STATES

optuna = pytest.importorskip("optuna", reason="the search is optuna's")


def validation_score(config):
    """A made-up landscape: best at a rate of 3e-5, rank 32 and 4 epochs, where it is 90."""
    rate, rank = math.log10(config["learning_rate"] / 3e-5), math.log2(config["lora_r"] / 32)
    return 90 - 4 * abs(rate) - abs(rank) - abs(config["num_epochs"] - 4)


def tried(result):
    return [trial.params for trial in result.trials]


def test_the_calls_of_the_v2_document() -> None:
    """Both of them: alone, and once per artifact type with the score printed."""
    optimizer = HyperparameterOptimizer()
    result = optimizer.optimize(validation_score, n_trials=50)
    assert result.best_score == validation_score(result.best_params) > 85
    for artifact_type in ["erd", "code_prototype", "architecture"]:

        def objective(config):
            return validation_score(config)

        result = optimizer.optimize(objective, n_trials=5, artifact_type=artifact_type)
        assert f"{artifact_type}: Best score {result.best_score:.1f}".startswith(f"{artifact_type}: Best score 8")


def test_the_space_is_the_documented_one() -> None:
    """Bounds and scales of the V2 document, and defaults within them."""
    assert {name: (r.low, r.high, r.log) for name, r in SEARCH_SPACE.items()} == {
        "learning_rate": (1e-6, 1e-3, True),
        "batch_size": (8, 64, True),
        "num_epochs": (1, 10, False),
        "warmup_ratio": (0.0, 0.2, False),
        "lora_r": (4, 64, True),
        "lora_alpha": (8, 128, True),
    }
    whole = {name for name, range_ in SEARCH_SPACE.items() if range_.whole}
    assert whole == {"batch_size", "num_epochs", "lora_r", "lora_alpha"}
    assert checked_params("defaults", DEFAULTS, SEARCH_SPACE, all_=True) == dict(DEFAULTS)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["tpe", "random"]))
def test_every_trial_lies_within_the_space(seed, sampler) -> None:
    """Each of the six parameters, whole where it is a count; the objective is given plain numbers."""
    seen = []
    HyperparameterOptimizer(seed=seed, sampler=sampler).optimize(lambda c: seen.append(c) or 1.0, n_trials=12)
    for config in seen:
        assert checked_params("trial", config, SEARCH_SPACE, all_=True) == config
        assert {type(value) for value in config.values()} == {int, float}
    assert len(set(map(str, seen))) == len(seen)  # no generator is begun anew


def test_the_same_seed_gives_the_same_trials() -> None:
    """And another one others; the defaults come first in any case."""
    one, again, other = (
        HyperparameterOptimizer(seed=seed).optimize(validation_score, n_trials=25) for seed in (3, 3, 4)
    )
    assert tried(one) == tried(again)
    assert tried(one)[0] == tried(other)[0] == dict(DEFAULTS)
    assert tried(one)[1:] != tried(other)[1:]


def test_a_study_in_a_file_tries_what_one_in_memory_tries(tmp_path) -> None:
    """The storage does not change the search."""
    space = {name: SEARCH_SPACE[name] for name in ("learning_rate", "lora_r")}

    def objective(config):
        return validation_score({**DEFAULTS, **config})

    kept = HyperparameterOptimizer(tmp_path / "studies.db", space=space, seed=5).optimize(objective, n_trials=12)
    assert tried(kept) == tried(HyperparameterOptimizer(space=space, seed=5).optimize(objective, n_trials=12))


def test_it_learns_from_its_trials() -> None:
    """Over five seeds forty trials of TPE come closer to the best point than forty random ones."""
    gaps = {
        sampler: [
            90 - HyperparameterOptimizer(sampler=sampler, seed=seed).optimize(validation_score, n_trials=40).best_score
            for seed in range(5)
        ]
        for sampler in ("tpe", "random")
    }
    assert np.mean(gaps["tpe"]) < 0.6 * np.mean(gaps["random"])


def test_the_champion_is_tried_first_then_siblings_then_the_defaults() -> None:
    """What is known to be good opens the search, each once, with its origin."""
    optimizer = HyperparameterOptimizer(seed=2)
    erd = optimizer.optimize(validation_score, n_trials=25, artifact_type="erd")
    code = optimizer.optimize(lambda config: -abs(config["batch_size"] - 23), n_trials=30, artifact_type="code")
    champion = {**DEFAULTS, "learning_rate": 5e-5}
    found = optimizer.optimize(validation_score, n_trials=5, artifact_type="chat", champion=champion)
    assert [trial.origin for trial in found.trials] == [
        "champion",
        "the best of code",
        "the best of erd",
        "defaults",
        "search",
    ]
    assert tried(found)[:3] == [champion, code.best_params, erd.best_params]
    own = optimizer.optimize(validation_score, n_trials=4, artifact_type="erd").trials[25:]
    assert [trial.origin for trial in own] == ["the best of code", "the best of chat", "defaults", "search"]
    alone = optimizer.optimize(validation_score, n_trials=2, artifact_type="a", siblings=["erd", "nobody", "a"])
    assert [trial.origin for trial in alone.trials] == ["the best of erd", "defaults"]
    nothing = optimizer.optimize(validation_score, n_trials=1, artifact_type="b", siblings=[])
    assert [trial.origin for trial in nothing.trials] == ["defaults"]


def test_three_siblings_are_enough() -> None:
    """Those with most trials; the others would eat the budget of the search itself."""
    optimizer = HyperparameterOptimizer()
    for trials, name in enumerate("abcde", start=2):
        optimizer.optimize(lambda c, at=trials: -abs(c["warmup_ratio"] - at / 50), trials, name, siblings=[])
    found = optimizer.optimize(validation_score, n_trials=9, artifact_type="z")
    assert [trial.origin for trial in found.trials if "of" in trial.origin] == [f"the best of {name}" for name in "edc"]


def test_what_the_budget_has_no_room_for_is_not_queued() -> None:
    """A search of one trial tries the champion, tonight and tomorrow."""
    optimizer = HyperparameterOptimizer()
    for _ in range(2):
        found = optimizer.optimize(validation_score, n_trials=1, champion={**DEFAULTS, "lora_r": 8})
    assert [trial.origin for trial in found.trials] == ["champion", "champion"]


def test_an_objective_that_reports_nothing_is_searched_without_brackets() -> None:
    """Hyperband, the default, takes nothing away from TPE then: the trials are those of a search without pruning."""
    with_it, without = (
        HyperparameterOptimizer(pruner=pruner).optimize(validation_score, n_trials=20)
        for pruner in ("hyperband", "none")
    )
    assert tried(with_it) == tried(without)


def test_a_champion_known_in_part_is_filled_up() -> None:
    """What it leaves open is drawn; what the search knows already is not queued twice."""
    optimizer = HyperparameterOptimizer()
    found = optimizer.optimize(validation_score, n_trials=3, champion={"lora_r": np.int64(8)})
    assert found.trials[0].params["lora_r"] == 8
    assert found.trials[0].params.keys() == SEARCH_SPACE.keys()
    again = HyperparameterOptimizer().optimize(validation_score, n_trials=3, champion=DEFAULTS)
    assert Counter(map(str, tried(again)))[str(dict(DEFAULTS))] == 1


def test_the_budget_in_trials_is_kept_and_a_next_search_goes_on() -> None:
    """A second search of the same type adds its trials to the study, and the champion is tried anew."""
    optimizer = HyperparameterOptimizer()
    first = optimizer.optimize(validation_score, n_trials=7)
    second = optimizer.optimize(validation_score, n_trials=4, champion=first.best_params)
    assert [len(first.trials), len(second.trials)] == [7, 11]
    assert second.trials[7].params == first.best_params
    assert second.best_score >= first.best_score


class Clock:
    """Stands still unless it is told to move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_budget_in_seconds_is_kept() -> None:
    """No trial is begun when the time is over, and what was queued waits for the next search."""
    clock = Clock()

    def objective(config):
        clock.now += 10
        return validation_score(config)

    optimizer = HyperparameterOptimizer(clock=clock)
    champion = {**DEFAULTS, "lora_r": 64}
    first = optimizer.optimize(objective, n_trials=50, timeout_seconds=35, champion=champion)
    assert len(first.trials) == 4
    short = optimizer.optimize(objective, n_trials=50, artifact_type="erd", timeout_seconds=0.1, champion=champion)
    assert [trial.origin for trial in short.trials] == ["champion"]
    more = optimizer.optimize(objective, n_trials=2, artifact_type="erd", siblings=[])
    assert [trial.origin for trial in more.trials] == ["champion", "the best of any", "defaults"]


def test_one_trial_is_made_however_short_the_time() -> None:
    """Time may have passed before the first one; a search without any trial would be of no use."""
    clock = Clock()
    ticking = lambda: setattr(clock, "now", clock.now + 1) or clock.now  # noqa: E731 - a clock in one line
    found = HyperparameterOptimizer(clock=ticking).optimize(validation_score, timeout_seconds=0.5)
    assert [trial.state for trial in found.trials] == ["finished"]


def test_a_report_ends_a_trial_whose_time_is_over() -> None:
    """A trial that reports is stopped in its middle; the first one too."""
    clock = Clock()

    def objective(config, progress):
        for step in range(10):
            clock.now += 10
            progress.report(float(step), step)
        return validation_score(config)

    found = HyperparameterOptimizer(clock=clock, pruner="none").optimize(objective, n_trials=9, timeout_seconds=135)
    assert [trial.state for trial in found.trials] == ["finished", "pruned"]
    assert found.trials[1].reason == "the time for the search was over"


FAILURES = {
    "ValueError: out of memory": lambda config: (_ for _ in ()).throw(ValueError("out of\nmemory")),
    "score: found nan, expected a finite number, returned.": lambda config: math.nan,
    "score: found -inf, expected a finite number, returned.": lambda config: -math.inf,
    "score: found None, expected a finite number, returned.": lambda config: None,
    "score: found '85', expected a finite number, returned.": lambda config: "85",
    "score: found True, expected a finite number, returned.": lambda config: True,
    "score: found {'score': 1}, expected a finite number, returned.": lambda config: {"score": 1},
}


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failing_trial_is_recorded_and_the_search_goes_on(reason) -> None:
    """With its reason, and without a place in the ranking."""
    calls = []

    def objective(config):
        calls.append(config)
        return FAILURES[reason](config) if len(calls) % 3 == 0 else validation_score(config)

    found = HyperparameterOptimizer().optimize(objective, n_trials=7)
    assert [trial.state for trial in found.trials] == ["finished", "finished", "failed"] * 2 + ["finished"]
    assert {trial.reason for trial in found.trials if trial.state == "failed"} == {reason}
    assert all(trial.score is None for trial in found.trials if trial.state == "failed")
    assert found.best_score == max(trial.score for trial in found.trials if trial.score is not None)
    assert found.note == f"2 of 7 trials failed, the last one (5): {reason}"
    assert found.searched


@pytest.mark.parametrize("score", [np.float32(70.5), np.int64(70), 70])
def test_numbers_of_other_libraries_are_scores(score) -> None:
    """numpy's and whole ones come back as a float."""
    result = HyperparameterOptimizer().optimize(lambda config: score, n_trials=2)
    assert (result.best_score, type(result.best_score)) == (float(score), float)


def test_when_every_trial_fails_the_defaults_are_returned_and_it_is_said(caplog) -> None:
    """No score is made up: it is NaN, `searched` is false, and the log says why."""
    with caplog.at_level(logging.WARNING):
        found = HyperparameterOptimizer().optimize(lambda config: None, n_trials=3, artifact_type="erd")
    assert (found.best_params, found.searched) == (dict(DEFAULTS), False)
    assert math.isnan(found.best_score)
    note = (
        "3 of 3 trials failed, the last one (2): score: found None, expected a finite number, returned.; "
        "no trial came to a score: best_params are the defaults"
    )
    assert found.note == note
    assert caplog.messages == [f"hyperparameters of erd: {note}"]


def by_steps(final_scores):
    """An objective that climbs in a straight line to its score in nine steps, and what it had reached when stopped."""
    steps = Counter()

    def objective(config, progress):
        number = len(steps)
        steps[number] = 0
        for step in range(1, 10):
            steps[number] = step
            progress.report(final_scores[number] * step / 9, step)
        return final_scores[number]

    return objective, steps


def test_hyperband_stops_what_falls_behind() -> None:
    """Bad trials after good ones are cut short, and are no failures."""
    objective, steps = by_steps([90.0] * 6 + [10.0] * 24)
    found = HyperparameterOptimizer(pruner="hyperband").optimize(objective, n_trials=30)
    states = Counter(trial.state for trial in found.trials)
    assert states["pruned"] >= 10
    assert states["pruned"] + states["finished"] == 30
    assert sum(steps.values()) < 0.7 * 30 * 9
    assert found.trials[-1].reason.startswith("it fell behind at step ")
    assert found.note == ""


def test_wilcoxon_stops_what_is_worse_on_the_same_examples() -> None:
    """Reports are scores per example, in any order; a trial that is worse on nearly all of them is stopped."""
    pytest.importorskip("scipy", reason="the pruner's test is scipy's")
    seen = []

    def objective(config, progress):
        worse = 5.0 if seen else 0.0
        seen.append(0)
        order = np.random.default_rng(len(seen)).permutation(40)
        for example in order:
            seen[-1] += 1
            progress.report(50 + 10 * math.sin(example) - worse, int(example))
        return 50.0 - worse

    found = HyperparameterOptimizer(pruner="wilcoxon").optimize(objective, n_trials=4)
    assert [trial.state for trial in found.trials] == ["finished", "pruned", "pruned", "pruned"]
    assert seen[0] == 40
    assert max(seen[1:]) <= 8


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ((math.nan, 3), "score: found nan, expected a finite number, reported at step 3."),
        ((50.0, -1), "step: found -1, expected a whole number of at least 0."),
    ],
)
def test_a_wrong_report_fails_its_trial(wrong, reason) -> None:
    """A NaN on the way is a failure with its step."""
    found = HyperparameterOptimizer().optimize(lambda config, progress: progress.report(*wrong), n_trials=1)
    assert (found.trials[0].state, found.trials[0].reason) == ("failed", reason)


def test_an_objective_may_prune_itself() -> None:
    """optuna's own TrialPruned is understood."""

    def objective(config):
        raise optuna.TrialPruned

    found = HyperparameterOptimizer().optimize(objective, n_trials=1)
    assert (found.trials[0].state, found.trials[0].reason) == ("pruned", "the objective stopped it")


def test_an_objective_with_an_optional_argument_is_given_the_parameters_alone() -> None:
    """A second argument that has a default is the caller's own."""
    found = HyperparameterOptimizer().optimize(lambda config, verbose=False: 1.0 + verbose, n_trials=1)
    assert found.best_score == 1.0


def test_an_objective_cannot_change_what_is_recorded() -> None:
    """It is given a copy of the parameters."""
    found = HyperparameterOptimizer().optimize(lambda config: config.clear() or 1.0, n_trials=2)
    assert found.best_params == dict(DEFAULTS)


@pytest.fixture
def without_optuna(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)


def test_without_optuna_the_defaults_are_tried_and_it_is_said(without_optuna, caplog) -> None:
    """Once; the score is a measured one, and note and log say how to search."""
    calls = []
    with caplog.at_level(logging.WARNING):
        found = HyperparameterOptimizer().optimize(lambda c: calls.append(c) or 71.5, n_trials=50, artifact_type="erd")
    assert calls == [dict(DEFAULTS)]
    assert (found.best_params, found.best_score, found.searched) == (dict(DEFAULTS), 71.5, False)
    assert found.note == "optuna is not installed (pip install optuna): nothing was searched"
    assert caplog.messages == [f"hyperparameters of erd: {found.note}"]


def test_without_optuna_the_better_of_champion_and_defaults_is_kept(without_optuna) -> None:
    """And the budgets hold there as well."""
    clock = Clock()
    optimizer = HyperparameterOptimizer(clock=clock)
    champion = {"learning_rate": 3e-5}
    found = optimizer.optimize(validation_score, champion=champion)
    assert found.best_params == {**DEFAULTS, **champion}
    assert [trial.origin for trial in found.trials] == ["champion", "defaults"]
    assert len(optimizer.optimize(validation_score, n_trials=1, champion=champion).trials) == 1

    def slow(config, progress):
        clock.now += 10
        progress.report(1.0, 1)
        return 1.0

    late = optimizer.optimize(slow, timeout_seconds=5, champion=champion)
    assert [(trial.state, trial.reason) for trial in late.trials] == [("pruned", "the time for the search was over")]


def test_without_optuna_a_failure_is_no_accident_either(without_optuna) -> None:
    """The defaults are returned all the same, without a score."""
    found = HyperparameterOptimizer().optimize(lambda config: 1 / 0)
    assert found.best_params == dict(DEFAULTS)
    assert math.isnan(found.best_score)
    assert "ZeroDivisionError: division by zero" in found.note


def test_without_optuna_the_objective_has_a_copy_too(without_optuna) -> None:
    """What it does to the parameters is its own affair."""
    found = HyperparameterOptimizer().optimize(lambda config: config.clear() or 1.0)
    assert (found.best_params, found.best_score) == (dict(DEFAULTS), 1.0)


def test_a_space_of_ones_own() -> None:
    """Its defaults are the documented ones where they lie within it, and otherwise the middle of the range."""
    space = {
        "batch_size": Range(8, 32, whole=True),
        "lora_r": Range(32, 64, whole=True),
        "dropout": Range(0.0, 0.5),
        "rate": Range(1e-4, 1e-2, log=True),
    }
    optimizer = HyperparameterOptimizer(space=space, defaults={"dropout": 0.1})
    assert optimizer.defaults == {"batch_size": 16, "lora_r": 48, "dropout": 0.1, "rate": pytest.approx(1e-3)}
    found = optimizer.optimize(lambda config: -config["dropout"], n_trials=10)
    assert found.best_params.keys() == space.keys()


def test_siblings_that_leave_the_space_are_passed_over(tmp_path) -> None:
    """A narrower space does not take over what lies outside of it."""
    HyperparameterOptimizer(tmp_path / "s.db", space={"x": Range(0, 10)}).optimize(
        lambda config: config["x"], n_trials=4, artifact_type="wide"
    )
    narrow = HyperparameterOptimizer(tmp_path / "s.db", space={"x": Range(0, 1)})
    found = narrow.optimize(lambda config: config["x"], n_trials=2, artifact_type="narrow")
    assert [trial.origin for trial in found.trials] == ["defaults", "search"]


def test_columns_of_a_result() -> None:
    """Scores and parameters as arrays, NaN where a trial failed."""
    calls = []
    found = HyperparameterOptimizer().optimize(
        lambda c: calls.append(0) or (None if len(calls) == 2 else 7.0), n_trials=3
    )
    columns = found.columns()
    assert columns.keys() == {"score", *SEARCH_SPACE}
    assert np.isnan(columns["score"]).tolist() == [False, True, False]
    assert columns["lora_r"].tolist() == [float(params["lora_r"]) for params in tried(found)]
    assert {trial.state for trial in found.trials} <= set(STATES)


def test_optuna_is_quiet_and_left_as_it_was(tmp_path, capfd) -> None:
    """No word on the screen, no warning, and its log level and the warning filters are those of before."""
    level, filters = optuna.logging.get_verbosity(), list(warnings.filters)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        optimizer = HyperparameterOptimizer(tmp_path / "studies.db", pruner="wilcoxon")
        optimizer.optimize(lambda config, progress: progress.report(1.0, 1) or 1 / 0, n_trials=2)
    assert tuple(capfd.readouterr()) == ("", "")
    assert [str(warning.message) for warning in heard] == []
    assert optuna.logging.get_verbosity() == level
    assert warnings.filters == filters


def test_importing_it_loads_no_heavy_library() -> None:
    """optuna comes with the first search."""
    code = (
        "import sys, components.hyperparameter_optimizer; print({'optuna', 'sqlalchemy', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def ask(**how):
    return lambda: HyperparameterOptimizer().optimize(validation_score, **{"n_trials": 1, **how})


def make(**how):
    return lambda: HyperparameterOptimizer(**how)


WRONG = {
    "n_trials: found 0, expected a whole number of at least 1.": ask(n_trials=0),
    "timeout_seconds: found 0, expected a number of seconds above 0, or None.": ask(timeout_seconds=0),
    "timeout_seconds[0]: found nan, expected finite numbers. Leave the row out, or mend it.": ask(
        timeout_seconds=math.nan
    ),
    "artifact_type: found '', expected a text of 1 to 200 characters, such as 'erd'.": ask(artifact_type=""),
    "artifact_type: found None, expected a text of 1 to 200 characters, such as 'erd'.": ask(artifact_type=None),
    "champion['lora_r']: found 500, expected a whole number from 4 to 64.": ask(champion={"lora_r": 500}),
    "champion['lora_r']: found 8.5, expected a whole number from 4 to 64.": ask(champion={"lora_r": 8.5}),
    "champion['learning_rate']: found 'low', expected a number from 1e-06 to 0.001.": ask(
        champion={"learning_rate": "low"}
    ),
    "champion['num_epochs']: found True, expected a whole number from 1 to 10.": ask(champion={"num_epochs": True}),
    "a name in champion: found 'momentum', expected one of learning_rate, batch_size, num_epochs, warmup_ratio, "
    "lora_r, lora_alpha.": ask(champion={"momentum": 0.9}),
    "sampler: found 'grid', expected one of tpe, random.": make(sampler="grid"),
    "pruner: found 'median', expected one of hyperband, wilcoxon, none.": make(pruner="median"),
    "seed: found -1, expected a whole number of at least 0.": make(seed=-1),
    "space: found {}, expected at least one hyperparameter.": make(space={}),
    "space['x']: found '2 to 1', expected a low bound below the high.": make(space={"x": Range(2, 1)}),
    "space['x']: found '0 to 1', expected a low bound below the high, above 0 for a logarithmic one.": make(
        space={"x": Range(0, 1, log=True)}
    ),
    "space['x']: found '0.5 to 2', expected whole bounds for whole numbers.": make(
        space={"x": Range(0.5, 2, whole=True)}
    ),
    "space['x'][1]: found inf, expected finite numbers. Leave the row out, or mend it.": make(
        space={"x": Range(1, math.inf)}
    ),
    "params: found 'nothing for y', expected a value for each of x, y.": lambda: checked_params(
        "params", {"x": 1}, checked_space({"x": Range(0, 1), "y": Range(0, 1)}), all_=True
    ),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_searched_is_said(text) -> None:
    """Each complaint names the thing, what was found and what was expected."""
    with pytest.raises(BadInput) as told:
        WRONG[text]()
    assert str(told.value) == text


def test_wilcoxon_without_scipy_is_said_at_once(monkeypatch) -> None:
    """Not in the middle of the first trial."""
    monkeypatch.setattr("components.hyperparameter_optimizer.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pruner: found 'wilcoxon', expected scipy to be installed"):
        HyperparameterOptimizer(pruner="wilcoxon").optimize(lambda config, progress: 1.0, n_trials=1)


def test_the_worked_example_fits_a_terminal() -> None:
    """No line is wider than 80 columns."""
    assert max(map(len, worked_example().splitlines())) <= 80
