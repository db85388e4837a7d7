from __future__ import annotations

import dataclasses
import textwrap
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diffio_watch.config import Config, ConfigError, Inbox, Problem, example, load, parse
from diffio_watch.config.group import keys_of
from diffio_watch.job import Settings

if TYPE_CHECKING:
    from pathlib import Path

ONE = "inboxes: [{name: a, path: /in, outbox: /out}]\n"


def problems(text: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """Path -> "line: message remedy" of everything wrong."""
    with pytest.raises(ConfigError) as caught:
        parse(textwrap.dedent(text).encode(), env or {})
    return {problem.path: f"{problem.line}: {problem.message} {problem.remedy}" for problem in caught.value.problems}


def inbox(keys: str) -> str:
    return f"inboxes:\n- name: a\n  path: /in\n  outbox: /out\n  {keys}\n"


def test_one_inbox_is_enough() -> None:
    config = parse(ONE.encode(), {"HOME": "/home/x"})
    assert [one.name for one in config.inboxes] == ["a"]
    assert config.inbox("a") is config.inboxes[0]
    with pytest.raises(KeyError):
        config.inbox("b")


def test_empty_groups_are_groups_without_keys() -> None:
    assert parse(f"{ONE}limits:\ndefaults:\ngeneration: {{poll: }}\n".encode(), {}) == parse(ONE.encode(), {})


def test_values_arrive_in_the_program_s_units() -> None:
    keys = "settle: 500ms\n  rescan: auto\n  file_mode: 0640\n  outputs: [audio, transcript]"
    config = parse(inbox(keys).encode(), {})
    one = config.inboxes[0]
    assert (one.settle, one.rescan, one.file_mode, one.dir_mode) == (0.5, "auto", 0o640, 0o2775)
    assert one.outputs == ("audio", "transcript")
    assert config.limits.min_free == 1 << 30
    assert config.generation.give_up == 7 * 86400


def test_a_job_s_settings_are_the_inbox_s() -> None:
    default = Inbox.of({"name": "a", "path": "/in", "outbox": "/out"})
    assert default.settings() == Settings()
    for field in dataclasses.fields(Settings):
        assert getattr(default.settings(), field.name) == getattr(default, field.name)


def test_nothing_of_a_configuration_can_be_changed() -> None:
    config = parse(ONE.encode(), {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.limits.uploads = 5  # type: ignore[misc] # the point of the test


def test_an_inbox_s_key_replaces_the_default_whole() -> None:
    config = parse(b"""
defaults: {params: {prompt: x, tag: y}, priority: 3, exclude: ["*.bak"]}
inboxes:
- {name: a, path: /1, outbox: /2}
- {name: b, path: /3, outbox: /4, params: {tag: z}, exclude: []}
""", {})
    a, b = config.inboxes
    assert (a.params, a.priority, a.exclude) == ({"prompt": "x", "tag": "y"}, 3, ("*.bak",))
    assert (b.params, b.priority, b.exclude) == ({"tag": "z"}, 3, ())


def test_a_wrong_default_is_told_once_and_where_it_stands() -> None:
    told = problems("""\
        defaults:
          settle: fast
          originals: archive
        inboxes:
        - {name: a, path: /1, outbox: /2}
        - {name: b, path: /3, outbox: /4, archive: /5}
        """)
    assert told == {
        "defaults.settle": '2: "fast" is not a duration. Write one number and one unit, for instance `250ms`, `2s`, '
                           "`10m`, `6h`, `7d`, or `auto`.",
        "inboxes[0].archive": "5: `originals: archive` needs a folder to move them to. Write `archive: /some/folder` "
                              "into this inbox, or `originals: keep`.",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["name", "path", "outbox", "archive"])
def test_what_each_inbox_has_for_itself_is_no_default(name: str) -> None:
    assert "Each inbox has its own" in problems(f"defaults: {{{name}: /x}}\n{ONE}")[f"defaults.{name}"]


def test_the_file_wins_over_the_environment() -> None:
    env = {"DIFFIO_API_BASE_URL": "https://env.example", "STATE_DIRECTORY": "/env/state"}
    config = parse(f"api: {{base_url: https://file.example}}\nstate_dir: /file/state\n{ONE}".encode(), env)
    assert (config.api.base_url, str(config.state_dir)) == ("https://file.example/v1", "/file/state")
    config = parse(f"api: {{base_url: }}\nstate_dir:\n{ONE}".encode(), env)
    assert (config.api.base_url, str(config.state_dir)) == ("https://env.example/v1", "/env/state")
    assert parse(ONE.encode(), {}).api.base_url == "https://api.diffio.ai/v1"


def test_what_is_wrong_in_the_environment_is_told_as_such() -> None:
    told = problems(ONE, {"DIFFIO_API_BASE_URL": "http://diffio.example"})
    assert "`https://diffio.example`" in told["$DIFFIO_API_BASE_URL"]
    assert "state_dir" in "".join(problems(ONE, {"STATE_DIRECTORY": "/in/state"}).values())


@pytest.mark.parametrize(
    ("text", "path", "told"),
    [
        ("stat_dir: /x\n", "stat_dir", "Did you mean `state_dir`?"),
        ("poll: {}\n", "poll", "It belongs under `generation`."),
        ("first: 1s\n", "first", "It belongs under `generation.poll`."),
        ("settle: 3s\n", "settle", "It belongs in an inbox, or under `defaults`."),
        ("outbox: /x\n", "outbox", "It belongs in an inbox."),
        ("limits: {state_dir: /x}\n", "limits.state_dir", "outside every group"),
        ("limits: {bandwidth: 3}\n", "limits.bandwidth", "Known here are uploads, downloads"),
        ("'evil\\x1b[2J': 3\n", '"evil\\x1b[2J"', "There is no such key"),
        ("limits: {uploads: '4'}\n", "limits.uploads", "Write for instance `uploads: 4`, without quotes."),
        ("limits: {uploads: true}\n", "limits.uploads", "not a whole number"),
        ("limits: {uploads: 4.5}\n", "limits.uploads", "not a whole number"),
        ("limits: {uploads: 0}\n", "limits.uploads", "Write at least 1."),
        ("limits: {uploads: }\n", "limits.uploads", "Nothing stands behind it. Write `uploads: 4`, or remove"),
        ("limits: {requests_per_second: 0}\n", "limits.requests_per_second", "Write more than 0."),
        ("limits: {min_free: 1GB}\n", "limits.min_free", "Write `1GiB`."),
        ("limits: 3\n", "limits", "Write its keys below it, indented: `uploads`"),
        ("log: {level: warn}\n", "log.level", "Did you mean `warning`?"),
        ("log: {format: xml}\n", "log.format", "Write one of `auto`, `console`, `json`."),
        ("generation: {poll: {first: 1m}}\n", "generation.poll.max", "`max` is shorter than `first`"),
        ("generation: {overdue: 8d}\n", "generation.give_up", "`give_up` is shorter than `overdue`"),
        ("generation: {poll: {first: 0}}\n", "generation.poll.first", "It can't be 0."),
        ("api: {read_timeout: 1 min}\n", "api.read_timeout", "Write `1m`."),
        ("notify: {events: [fail]}\n", "notify.events[0]", "Did you mean `failed`?"),
        ("web: {listen: 8480}\n", "web.listen", "8480 is not a string."),
    ],
)
def test_each_slip_is_answered_with_what_to_write(text: str, path: str, told: str) -> None:
    assert told in problems(ONE + text)[path]
    assert problems(ONE + text)[path].startswith("2: ")


@pytest.mark.parametrize(
    ("keys", "path", "told"),
    [
        ("setle: 2s", "setle", "Did you mean `settle`?"),
        ("file-mode: 0644", "file-mode", "Did you mean `file_mode`?"),
        ("recursive: yes", "recursive", '"yes" is neither true nor false. Write `recursive: true`.'),
        ("recursive: 0", "recursive", "Write `recursive: true` or `recursive: false`."),
        ("outputs: audio", "outputs", "Write `outputs: [audio]`."),
        ("outputs: []", "outputs", "The list is empty. Write for instance `outputs: [auto]`."),
        ("outputs: [mp3]", "outputs[0]", "Did you mean `audio`?"),
        ("outputs: [auto, video]", "outputs", "Write `[auto]`, or `[video]`."),
        ("outputs: [audio, audio]", "outputs", "Write `[audio]`."),
        ("include: [wav]", "include[0]", 'Write `"*.wav"`.'),
        ("include: []", "include", "The list is empty."),
        ("exclude:", "exclude", "Write `exclude: []`, or remove the line."),
        ("exclude: [ ]\n  include: [audio, ]\n  sampling: 3", "sampling", "is not a group of keys"),
        ("exclude: [null]", "exclude[0]", "The item is empty."),
        ("exclude: [2026]", "exclude[0]", 'Put it in quotes: `"2026"`.'),
        ("settle: 0", "settle", "It can't be 0."),
        ("settle: 2 sec", "settle", "Write `2s`, or `auto`."),
        ("priority: high", "priority", "`priority: 0`"),
        ("priority: 5000", "priority", "Write at most 1000."),
        ("file_mode: 0444", "file_mode", 'Write `"0644"`.'),
        ("dir_mode: 0600", "dir_mode", 'Write `"0700"`.'),
        ("file_mode: -rw-r--r--", "file_mode", "Write octal digits"),
        ("originals: move", "originals", "Write one of `keep`, `archive`, `delete`."),
        ("originals: archive", "archive", "needs a folder"),
        ("model: 4.6", "model", 'Put it in quotes: `"4.6"`.'),
        ("model: ../admin", "model", "is not a model's id"),
        ("archive: archive", "archive", "`/srv/archive`"),
    ],
)
def test_each_slip_in_an_inbox_is_answered_with_what_to_write(keys: str, path: str, told: str) -> None:
    assert told in problems(inbox(keys))[f"inboxes[0].{path}"]


def test_names_in_one_string_are_answered_with_a_list_of_patterns() -> None:
    told = problems(inbox("include: wav, mp3"))["inboxes[0].include"]
    assert 'Write `include: ["*.wav", "*.mp3"]`' in told


def test_what_an_inbox_needs_is_told_with_an_example() -> None:
    assert problems("inboxes: [{}]\n") == {
        "inboxes[0].name": "1: It is missing. Write `name: podcasts`.",
        "inboxes[0].path": "1: It is missing. Write `path: /srv/studio/inbox`.",
        "inboxes[0].outbox": "1: It is missing. Write `outbox: /srv/studio/outbox`.",
    }
    assert "is missing" in problems("log: {}\n")["inboxes"]
    assert "The list is empty" in problems("inboxes: []\n")["inboxes"]
    told = problems("inboxes: {name: a}\n")["inboxes"]
    assert "is not a list" in told
    assert "with a dash" in told
    assert "is not a group of keys" in problems("inboxes: [/srv/in]\n")["inboxes[0]"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "null\n"])
def test_an_empty_file_says_so(text: str) -> None:
    assert "The file is empty." in problems(text)[""]


def test_a_file_without_keys_says_so_and_does_not_repeat_itself() -> None:
    assert "CANARY" not in str(problems("CANARY-sk-live\n"))


@pytest.mark.parametrize(
    "text",
    [
        "api: {key: CANARY}\n",
        "api: {api_key: CANARY}\n",
        "api_key: CANARY\n",
        "api: {key_file: CANARY}\n",
        "api: CANARY\n",
        "api: {base_url: 'https://u:CANARY@h'}\n",
        "api: {base_url: 'http://h/CANARY?x'}\n",
        "webhook: {secret_file: CANARY}\n",
        "webhook: CANARY\n",
        "notify: {urls: 'mailto://u:CANARY@h'}\n",
        "notify: {urls: [{CANARY: 1}]}\n",
        "web: {token_file: CANARY}\n",
    ],
)
def test_a_secret_that_stands_in_the_wrong_place_is_never_repeated(text: str) -> None:
    told = problems(ONE + text)
    assert told
    assert "CANARY" not in str(told)


def test_a_key_in_the_file_is_answered_with_its_proper_place() -> None:
    told = problems(f"api: {{key: sk-live}}\n{ONE}")["api.key"]
    assert "must not stand in this file" in told
    assert "`key_file`" in told


def test_notification_addresses_are_kept_out_of_the_repr() -> None:
    config = parse(f"notify: {{urls: ['mailto://u:CANARY@h']}}\n{ONE}".encode(), {})
    assert config.notify.urls == ("mailto://u:CANARY@h",)
    assert "CANARY" not in repr(config)


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(textwrap.dedent("""\
            api: {connect_timeout: 3 min}
            limits: {uploads: 4, uploads: many}
            inboxes:
            - name: a b
              path: ${NOPE}/in
              outbox: out
            - name: b
              path: /srv/in
              outbox: /srv/in/out
              watch: pollling
            - name: b
              path: /srv/other
              outbox: /elsewhere
              limits: {}
            """).encode(), {}, file="/etc/x.yaml")
    assert str(caught.value) == textwrap.dedent("""\
        9 problems in /etc/x.yaml:
          line 1: api.connect_timeout: "3 min" is not a duration. Write `3m`.
          line 2: limits.uploads: It stands a second time; the first is in line 2. Keep one of the two.
          line 4: inboxes[0].name: "a b" is not a name. Write 1 to 64 letters (a to z), digits, `-` and `_`, for instance `a-b`.
          line 5: inboxes[0].path: The environment variable NOPE is not set. Set it (for the service: `Environment=NOPE=…` in its unit), or write the path out.
          line 6: inboxes[0].outbox: "out" is not an absolute path, and a service has no current folder. Write it from the root, for instance `/srv/out`.
          line 9: inboxes[1].outbox: The outbox of b lies inside the inbox b. Give each a folder of its own, none inside another.
          line 10: inboxes[1].watch: "pollling" is none of auto, events, polling. Did you mean `polling`?
          line 11: inboxes[2].name: inboxes[1] has the name "b" already. Give each inbox a name of its own.
          line 14: inboxes[2].limits: There is no such key here. It belongs at the left margin, outside every group.
        """).rstrip()  # noqa: E501 - lines as they are printed


def test_what_is_echoed_can_not_steer_a_terminal() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(inbox('watch: "\\e[2J\\u202e' + "x" * 500 + '"').encode(), {})
    assert str(caught.value).isprintable() or "\n" in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)
    assert max(map(len, str(caught.value).splitlines())) < 300


def test_a_file_that_can_not_be_read_says_why(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=why) as caught:
            load(path, {})
        assert caught.value.file == str(path)


def test_a_file_is_loaded_from_where_it_is_found(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(ONE)
    assert load(None, {"DIFFIO_WATCH_CONFIG": str(tmp_path / "c.yaml")}) == load(tmp_path / "c.yaml", {})


def test_endless_files_are_not_read_to_the_end() -> None:
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        load("/dev/zero", {})


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = sorted({*keys_of(Config), *keys_of(Inbox), "uploads", "poll", "first", "listen", "urls", "key"})
shaped = st.recursive(
    json, lambda inner: st.dictionaries(st.sampled_from(KEYS), inner) | st.lists(inner, max_size=3), max_leaves=20
)


@settings(deadline=None)  # a busy machine is no fault
@given(st.dictionaries(st.sampled_from(KEYS), shaped))
def test_no_values_whatever_break_the_reader(data: dict[str, object]) -> None:
    """Whatever stands under the keys, the answer is a configuration or a list of problems with all their words."""
    import yaml  # noqa: PLC0415 - only this test writes YAML

    attempt(yaml.safe_dump(data, allow_unicode=True).encode(errors="replace"))


@settings(deadline=None)  # a busy machine is no fault
@given(st.binary(max_size=200), st.integers(0, len(example())))
def test_no_text_whatever_breaks_the_reader(noise: bytes, at: int) -> None:
    text = example().encode()
    attempt(text[:at] + noise + text[at:])


def attempt(text: bytes) -> None:
    told: list[Problem] = []
    try:
        parse(text, {})
    except ConfigError as error:
        told = error.problems
    for problem in told:
        assert problem.message.strip()
        assert problem.remedy.strip()
        breaks = sum(text.decode("utf-8", "replace").count(one) for one in "\n\r\x85\u2028\u2029")  # as PyYAML has it
        assert problem.line is None or 1 <= problem.line <= breaks + 2
