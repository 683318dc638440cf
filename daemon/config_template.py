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
"""  # noqa: E501 the lines of another file, as they are there
