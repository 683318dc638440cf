"""The contracts of stages and workloads: what a plugin's author imports. Needs numpy, and nothing else of ours.

from adaptd.plugin import Moment, Pool, StageRefused
"""

from adaptd.plugin.moment import Moment
from adaptd.plugin.pool import COLUMNS, Pool, Reason, WrongPool
from adaptd.plugin.stage import FiresAt, Remembering, Sizing, Stage, StageRefused
from adaptd.plugin.workload import Description, Job, Judged, Metric, Toy, Trained, Workload

__all__ = [
    "COLUMNS",
    "Description",
    "FiresAt",
    "Job",
    "Judged",
    "Metric",
    "Moment",
    "Pool",
    "Reason",
    "Remembering",
    "Sizing",
    "Stage",
    "StageRefused",
    "Toy",
    "Trained",
    "Workload",
    "WrongPool",
]
