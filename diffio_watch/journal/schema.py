"""The journal's tables, and how an older journal becomes a newer one.

`MIGRATIONS[n]` takes a journal from version n to n + 1; the version is SQLite's own `user_version`, so that a
migration and its record commit together.
"""

from __future__ import annotations

import functools
import sqlite3
from typing import Final

from diffio_watch.journal.errors import JournalCorrupt

# "DfWt": SQLite's application_id tells this file from any other database.
APPLICATION_ID: Final = 0x44665774

_FIRST: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    inbox TEXT NOT NULL,
    path BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL,
    because TEXT,
    run INTEGER NOT NULL,
    inode INTEGER,
    partial TEXT NOT NULL,
    sha256 TEXT,
    media TEXT,
    priority INTEGER NOT NULL,
    bumped INTEGER NOT NULL,
    due_at REAL,
    attempts INTEGER NOT NULL,
    parks INTEGER NOT NULL,
    as_is INTEGER NOT NULL,
    approved INTEGER NOT NULL,
    rebuy INTEGER NOT NULL,
    unproven INTEGER NOT NULL,
    base_url TEXT,
    key_print TEXT,
    project_id TEXT,
    upload TEXT,
    upload_id TEXT,
    part_size INTEGER,
    uploaded INTEGER NOT NULL,
    idempotency_key TEXT,
    body TEXT,
    intent_at REAL,
    generation_id TEXT,
    model_key TEXT,
    replayed INTEGER NOT NULL,
    progress REAL,
    stage TEXT,
    polls INTEGER NOT NULL,
    waited REAL NOT NULL,
    number INTEGER,
    outputs TEXT NOT NULL,
    notes TEXT NOT NULL,
    original TEXT NOT NULL,
    duplicate_of TEXT,
    error_file INTEGER NOT NULL,
    detected_at REAL NOT NULL,
    settled_at REAL,
    uploaded_at REAL,
    generated_at REAL,
    completed_at REAL,
    delivered_at REAL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (inbox, path, sha256, run)
);
CREATE INDEX jobs_due ON jobs (state, inbox, bumped DESC, priority DESC, seq, due_at);
CREATE INDEX jobs_place ON jobs (inbox, path);
CREATE INDEX jobs_content ON jobs (inbox, partial);
CREATE INDEX jobs_generation ON jobs (generation_id) WHERE generation_id IS NOT NULL;
CREATE INDEX jobs_intent ON jobs (intent_at) WHERE intent_at IS NOT NULL;
CREATE INDEX jobs_created ON jobs (inbox, created_at) WHERE approved = 0 AND run = 1 AND state != 'failed';
CREATE INDEX jobs_detected ON jobs (inbox, detected_at) WHERE approved = 0 AND run = 1 AND state != 'failed';
CREATE INDEX jobs_original ON jobs (inbox) WHERE original IN ('pending', 'stuck');
CREATE INDEX jobs_error_file ON jobs (inbox) WHERE error_file = 1;
CREATE INDEX jobs_notice ON jobs (inbox) WHERE error_file = 0 AND state IN ('failed', 'held');

-- what stands at each path of an inbox, and the job it belongs to
CREATE TABLE files (
    inbox TEXT NOT NULL,
    path BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER,
    job TEXT NOT NULL REFERENCES jobs (id),
    renamed INTEGER NOT NULL, -- since it was read as a whole
    PRIMARY KEY (inbox, path)
) WITHOUT ROWID;
CREATE INDEX files_job ON files (job);

CREATE TABLE history (
    job TEXT NOT NULL REFERENCES jobs (id),
    at REAL NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX history_job ON history (job);

CREATE TABLE parts (
    job TEXT NOT NULL REFERENCES jobs (id),
    number INTEGER NOT NULL,
    etag TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;

-- names in an outbox that a job will use; without case
CREATE TABLE names (
    inbox TEXT NOT NULL,
    name BLOB NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (inbox, name)
) WITHOUT ROWID;
CREATE INDEX names_job ON names (job);

-- where jobs had an error file that is out of date
CREATE TABLE old_notices (inbox TEXT NOT NULL, path BLOB NOT NULL, PRIMARY KEY (inbox, path)) WITHOUT ROWID;

-- scope: 'account', 'origin:https://host', 'inbox:NAME'
CREATE TABLE halts (
    scope TEXT PRIMARY KEY,
    because TEXT NOT NULL,
    since REAL NOT NULL,
    next_check_at REAL,
    probes INTEGER NOT NULL
) WITHOUT ROWID;

-- inbox '*' is all of them
CREATE TABLE pauses (inbox TEXT PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;

-- what people ask of the daemon; the only table that other processes write
CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    command TEXT NOT NULL,
    args TEXT NOT NULL,
    at REAL NOT NULL,
    answer TEXT,
    answered_at REAL
);
CREATE INDEX requests_open ON requests (id) WHERE answer IS NULL;

-- the highest counter that this journal may have written into each folder's marker
CREATE TABLE folder_counts (
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    counter INTEGER NOT NULL,
    PRIMARY KEY (role, name)
) WITHOUT ROWID;

-- the markers that this journal has written, and what it knows of the folder beneath
CREATE TABLE folders (
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (role, name)
) WITHOUT ROWID;

-- what intake last said of each inbox, for those who ask from outside
CREATE TABLE inboxes (name TEXT PRIMARY KEY, report TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE settling (
    inbox TEXT NOT NULL,
    path BLOB NOT NULL,
    because TEXT NOT NULL,
    since REAL NOT NULL,
    next_look_at REAL,
    PRIMARY KEY (inbox, path)
) WITHOUT ROWID;
"""

# lists by state and by day, so that a million ended jobs cost a reader nothing; how a waiting file looked, and since
# when it did, so that a restart does not begin to count anew; which person asked for a change
_SECOND: Final = """
CREATE INDEX jobs_state ON jobs (state, seq);
DROP INDEX jobs_content;
CREATE INDEX jobs_content ON jobs (inbox, partial, size);
CREATE INDEX jobs_delivered ON jobs (delivered_at) WHERE delivered_at IS NOT NULL;
ALTER TABLE jobs ADD COLUMN released INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN minutes REAL;
ALTER TABLE jobs ADD COLUMN outlived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN form TEXT NOT NULL DEFAULT 'plain';
ALTER TABLE jobs ADD COLUMN wish TEXT NOT NULL DEFAULT '';
CREATE INDEX jobs_wish ON jobs (inbox) WHERE wish = 'anew';
ALTER TABLE settling ADD COLUMN size INTEGER;
ALTER TABLE settling ADD COLUMN mtime_ns INTEGER;
ALTER TABLE settling ADD COLUMN still_since REAL;
ALTER TABLE requests ADD COLUMN who TEXT NOT NULL DEFAULT '';
-- error files of files that can't be read, and so have no job
CREATE TABLE unread_notices (inbox TEXT NOT NULL, path BLOB NOT NULL, PRIMARY KEY (inbox, path)) WITHOUT ROWID;
-- no file has a NUL in its path; the first version believed a sidecar that said so
DELETE FROM files WHERE instr(path, x'00');
DELETE FROM old_notices WHERE instr(path, x'00');
UPDATE jobs SET due_at = NULL, error_file = 0, original = 'kept' WHERE instr(path, x'00');
UPDATE jobs SET state = 'cancelled' WHERE instr(path, x'00') AND state NOT IN ('delivered', 'skipped');
-- nor is NaN any JSON that each SQLite reads
UPDATE jobs SET media = NULL WHERE NOT json_valid(media);
UPDATE jobs SET settings = replace(replace(replace(settings, 'NaN', 'null'), '-Infinity', 'null'), 'Infinity', 'null')
    WHERE NOT json_valid(settings);
"""

# of it too
_MADE: Final = """
-- every content that a job brought from the service: should it come back as a file, it is never bought
CREATE TABLE made (
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (size, sha256, job)
) WITHOUT ROWID;
CREATE TRIGGER jobs_made AFTER UPDATE OF outputs ON jobs WHEN NEW.outputs != '[]' BEGIN
    INSERT OR IGNORE INTO made SELECT json_extract(value, '$.size'), json_extract(value, '$.sha256'), NEW.id
        FROM json_each(NEW.outputs) WHERE json_extract(value, '$.sha256') IS NOT NULL;
END;
CREATE TRIGGER jobs_made_at_once AFTER INSERT ON jobs WHEN NEW.outputs != '[]' BEGIN
    INSERT OR IGNORE INTO made SELECT json_extract(value, '$.size'), json_extract(value, '$.sha256'), NEW.id
        FROM json_each(NEW.outputs) WHERE json_extract(value, '$.sha256') IS NOT NULL;
END;
INSERT OR IGNORE INTO made SELECT json_extract(value, '$.size'), json_extract(value, '$.sha256'), jobs.id
    FROM jobs, json_each(iif(json_valid(jobs.outputs), jobs.outputs, '[]'))
    WHERE jobs.outputs != '[]' AND json_extract(value, '$.sha256') IS NOT NULL;
"""

_THIRD: Final = """
-- how long generations of a model took
CREATE INDEX jobs_took ON jobs (model_key) WHERE waited > 0 AND completed_at IS NOT NULL AND replayed = 0;
-- what is due next, and how many are under way
CREATE INDEX jobs_next ON jobs (state, due_at, inbox, base_url)
    WHERE state IN ('downloading', 'generating', 'queued', 'uploading', 'waiting');
-- what is asked every second, and was counted through all that ever ended
CREATE TABLE counts (what TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counts SELECT column1, (SELECT count(*) FROM jobs WHERE state = column1)
    FROM (VALUES ('delivered'), ('failed'), ('skipped'), ('cancelled'));
CREATE TRIGGER jobs_counted_at_once AFTER INSERT ON jobs BEGIN
    UPDATE counts SET n = n + 1 WHERE what = NEW.state;
END;
CREATE TRIGGER jobs_ended AFTER UPDATE OF state ON jobs WHEN NEW.state != OLD.state
    AND (NEW.state IN ('delivered', 'failed', 'skipped', 'cancelled')
         OR OLD.state IN ('delivered', 'failed', 'skipped', 'cancelled')) BEGIN
    UPDATE counts SET n = n + (what = NEW.state) - (what = OLD.state) WHERE what IN (NEW.state, OLD.state);
END;
CREATE INDEX jobs_reason ON jobs (state, inbox, json_extract(because, '$.code')) WHERE because IS NOT NULL;
-- the newest of an inbox
CREATE INDEX jobs_inbox ON jobs (inbox, seq);
-- what is held as a drop has one error file for all of it, and none of its own
DROP INDEX jobs_notice;
CREATE INDEX jobs_notice ON jobs (inbox)
    WHERE error_file = 0 AND state IN ('failed', 'held') AND json_extract(because, '$.code') IS NOT 'drop_size';
UPDATE jobs SET error_file = 0 WHERE state = 'held' AND json_extract(because, '$.code') = 'drop_size';
"""

_NOTICES: Final = """
-- messages to people, each from before it is sent; without `ended_at` while nobody knows what came of it
CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    at REAL NOT NULL,
    events INTEGER NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    tries INTEGER NOT NULL,
    results TEXT NOT NULL,
    next_at REAL,
    ended_at REAL
);
CREATE INDEX notices_lane ON notices (lane, at);
CREATE INDEX notices_next ON notices (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX notices_open ON notices (id) WHERE ended_at IS NULL;
-- what the next message of a lane tells; what lasts, and whether that was told; jobs that are too early to be told
CREATE TABLE notice_tellings (lane TEXT NOT NULL, facts TEXT NOT NULL);
CREATE TABLE notice_outages (key TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE notice_later (job TEXT PRIMARY KEY REFERENCES jobs (id), at REAL NOT NULL) WITHOUT ROWID;
"""

# what needs somebody: held, parked with a reason, or failed, and neither made good nor taken out again before anything
# was bought
KINDS: Final = (
    "state IN ('downloading', 'failed', 'generating', 'held', 'queued', 'uploading', 'waiting') "
    "AND CASE WHEN state = 'failed' THEN followed = 0 AND (wish != 'away' OR intent_at IS NOT NULL) "
    "ELSE because IS NOT NULL END")

# of it too: what everybody who looks on asks every second, and was counted through all that ever failed
_GROUPS: Final = f"""
-- 1: a newer job stands at its path
ALTER TABLE jobs ADD COLUMN followed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN code TEXT AS (json_extract(because, '$.code')) VIRTUAL;
ALTER TABLE jobs ADD COLUMN unbought INTEGER AS (generation_id IS NULL) VIRTUAL;
-- minutes that a purchase counts, as `media.length` has them; a length that no bytes can hold is cut to what they can
ALTER TABLE jobs ADD COLUMN length REAL AS (max(1.0, coalesce(
    CASE WHEN json_type(iif(json_valid(media), media, NULL), '$.duration_s') IN ('integer', 'real')
        AND json_extract(media, '$.duration_s') >= 0
        THEN min(json_extract(media, '$.duration_s'), size * 8 / 100.0) END,
    size / iif(json_extract(iif(json_valid(media), media, NULL), '$.has_video'), 12500.0, 2000.0)) / 60.0)) VIRTUAL;
ALTER TABLE jobs ADD COLUMN name TEXT AS (substr(CAST(path AS TEXT), 1 + length(
    rtrim(CAST(path AS TEXT), replace(CAST(path AS TEXT), '/', ''))))) VIRTUAL; -- without its folders
UPDATE jobs SET followed = 1 WHERE EXISTS (SELECT 1 FROM jobs AS later
    WHERE later.inbox = jobs.inbox AND later.path = jobs.path AND later.seq > jobs.seq);
CREATE TRIGGER jobs_follow AFTER INSERT ON jobs BEGIN
    UPDATE jobs SET followed = 1 WHERE inbox = NEW.inbox AND path = NEW.path AND seq < NEW.seq AND followed = 0;
END;
CREATE TRIGGER jobs_follow_renamed AFTER UPDATE OF inbox, path ON jobs
    WHEN NEW.inbox != OLD.inbox OR NEW.path != OLD.path BEGIN
    UPDATE jobs SET followed = EXISTS (SELECT 1 FROM jobs AS later
        WHERE later.inbox = jobs.inbox AND later.path = jobs.path AND later.seq > jobs.seq)
        WHERE (inbox = NEW.inbox AND path = NEW.path) OR (inbox = OLD.inbox AND path = OLD.path);
END;
CREATE INDEX jobs_kinds ON jobs (state, inbox, code, unbought, length) WHERE {KINDS};
-- what would be bought of what waits is added up in the index alone
DROP INDEX jobs_next;
CREATE INDEX jobs_next ON jobs (state, due_at, inbox, base_url, intent_at, length)
    WHERE state IN ('downloading', 'generating', 'queued', 'uploading', 'waiting');
CREATE INDEX jobs_name ON jobs (name);
"""  # noqa: S608 - a constant

_INBOX_COUNTS: Final = """
-- what ended, as `counts` has it, by inbox: whoever scrapes metrics asks for it again and again
CREATE TABLE inbox_counts (inbox TEXT NOT NULL, state TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (inbox, state))
    WITHOUT ROWID;
INSERT INTO inbox_counts SELECT inbox, state, count(*) FROM jobs
    WHERE state IN ('delivered', 'failed', 'skipped', 'cancelled') GROUP BY inbox, state;
CREATE TRIGGER jobs_inbox_counted_at_once AFTER INSERT ON jobs
    WHEN NEW.state IN ('delivered', 'failed', 'skipped', 'cancelled') BEGIN
    INSERT INTO inbox_counts VALUES (NEW.inbox, NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER jobs_inbox_ended AFTER UPDATE OF state, inbox ON jobs
    WHEN (NEW.state != OLD.state OR NEW.inbox != OLD.inbox)
        AND (NEW.state IN ('delivered', 'failed', 'skipped', 'cancelled')
             OR OLD.state IN ('delivered', 'failed', 'skipped', 'cancelled')) BEGIN
    UPDATE inbox_counts SET n = n - 1 WHERE inbox = OLD.inbox AND state = OLD.state;
    INSERT INTO inbox_counts SELECT NEW.inbox, NEW.state, 1
        WHERE NEW.state IN ('delivered', 'failed', 'skipped', 'cancelled') ON CONFLICT DO UPDATE SET n = n + 1;
END;
"""

_FOURTH: Final = _NOTICES + _GROUPS + _INBOX_COUNTS

MIGRATIONS: Final[tuple[str, ...]] = (_FIRST, _SECOND + _MADE, _THIRD, _FOURTH)
VERSION: Final = len(MIGRATIONS)


def version_of(db: sqlite3.Connection) -> int:
    """The schema version of an opened journal; 0 for an empty file.

    Raises:
        JournalCorrupt: it is another program's database, or a newer program's journal.
    """
    # one statement sees one moment, also while somebody else makes the journal
    application, version, tables = db.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_application_id, pragma_user_version").fetchone()
    if application not in (0, APPLICATION_ID) or (application == 0 and tables):
        raise JournalCorrupt("The journal is another program's database: point `state_dir` somewhere else.")
    if version > VERSION:
        raise JournalCorrupt(
            f"The journal has version {version}, and this program knows {VERSION}: install the newer program again."
        )
    return int(version)


def migrate(db: sqlite3.Connection) -> None:
    """Bring an opened journal to `VERSION`, all at once: nobody who reads sees one that is half made."""
    if version_of(db) < VERSION:
        # executescript would commit by itself, so the statements of a migration run one by one
        db.execute("BEGIN IMMEDIATE")
        try:
            for migration in MIGRATIONS[version_of(db):]:  # asked anew: a command and the daemon may come at once
                for statement in _statements(migration):
                    db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # Ctrl-C may come right after the commit
                db.execute("ROLLBACK")
            raise


@functools.cache
def _statements(script: str) -> list[str]:
    """The single statements of an SQL script."""
    found, start = [], 0
    for end, character in enumerate(script, 1):
        if character == ";" and sqlite3.complete_statement(script[start:end]):
            found.append(script[start:end])
            start = end
    return found
