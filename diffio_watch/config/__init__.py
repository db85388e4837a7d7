"""The settings: found, read, checked, explained.

`load` is the way in. What is wrong comes as one `ConfigError` with every problem in it; what comes out is frozen,
in the program's units, with every default and every path filled in.
"""

from diffio_watch.config.errors import ConfigError, KeyMissing, Problem, SecretMissing, Wrong
from diffio_watch.config.example import example, render_init
from diffio_watch.config.key import key_source, read_key
from diffio_watch.config.load import Source, load, load_from, parse, source_of, state_dir_of
from diffio_watch.config.model import (
    Api,
    Config,
    Generation,
    Inbox,
    Limits,
    Log,
    Notify,
    Poll,
    Web,
    Webhook,
)
from diffio_watch.config.paths import default_state_dir, find, standard_places
from diffio_watch.config.schema import json_schema
from diffio_watch.config.small_file import Small, read_small
from diffio_watch.config.values import loopback, notice_url
from diffio_watch.config.webhook_secrets import secret_named, webhook_secrets

__all__ = [
    "Api",
    "Config",
    "ConfigError",
    "Generation",
    "Inbox",
    "KeyMissing",
    "Limits",
    "Log",
    "Notify",
    "Poll",
    "Problem",
    "SecretMissing",
    "Small",
    "Source",
    "Web",
    "Webhook",
    "Wrong",
    "default_state_dir",
    "example",
    "find",
    "json_schema",
    "key_source",
    "load",
    "load_from",
    "loopback",
    "notice_url",
    "parse",
    "read_key",
    "read_small",
    "render_init",
    "secret_named",
    "source_of",
    "standard_places",
    "state_dir_of",
    "webhook_secrets",
]
