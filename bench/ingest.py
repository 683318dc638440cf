"""What recording and taking in cost, beside named peers: three parts, one command.

    python -m bench.ingest

(a) `record_feedback` beside a bare write and beside other recorders, (b) durable calls with many callers and many
processes, (c) the intake of a spool beside raw SQLite. Writes bench/results/ingest_*.json.
"""

from __future__ import annotations

from pathlib import Path

from bench import ingest_host, ingest_intake
from bench.measuring import write_json


def main() -> None:
    ingest_host.main()
    results = ingest_intake.measure(rounds=12)
    print(ingest_intake.report(results))
    write_json(Path("bench/results/ingest_intake.json"), results)


if __name__ == "__main__":
    main()
