-- Times are microseconds since 1970 in UTC; where they may be absent, NULL is the zero time.
-- seq is the order of creation. JSON columns hold what the callers gave, byte for byte.

-- +goose Up
CREATE TABLE watches (
    seq         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    state       TEXT NOT NULL,
    org         TEXT NOT NULL,
    project     TEXT NOT NULL,
    domain      TEXT NOT NULL,
    name        TEXT NOT NULL,
    node        TEXT NOT NULL,
    own_org     TEXT NOT NULL,
    own_project TEXT NOT NULL,
    own_domain  TEXT NOT NULL,
    own_name    TEXT NOT NULL,
    wait        INTEGER NOT NULL,
    phase       TEXT NOT NULL,
    version     INTEGER NOT NULL,
    missing     INTEGER,
    reason      TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    outputs     TEXT,
    custom      TEXT,
    inputs      TEXT
) STRICT;

-- The poll: names of a scope by state, without touching the table.
CREATE INDEX watches_follow ON watches (org, project, domain, state, name) WHERE kind = 'follow';
CREATE INDEX watches_ended ON watches (org, project, domain, ended_at, name) WHERE kind = 'follow' AND state = 'ended';
CREATE INDEX watches_own ON watches (own_org, own_project, own_domain, own_name)
    WHERE wait = 1 AND state = 'active' AND own_name <> '';
CREATE INDEX watches_fresh ON watches (kind) WHERE state = 'active' AND phase = '';
CREATE INDEX watches_nodes ON watches (id) WHERE kind = 'follow' AND state = 'active' AND node <> '';
CREATE INDEX watches_left ON watches (coalesce(ended_at, created_at)) WHERE state <> 'active';
CREATE INDEX watches_state ON watches (state);

-- head is 1 for the first pending delivery of its watch and lane: the only one that may be sent.
CREATE TABLE deliveries (
    seq          INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    key          TEXT NOT NULL,
    watch_id     TEXT NOT NULL,
    org          TEXT NOT NULL,
    project      TEXT NOT NULL,
    domain       TEXT NOT NULL,
    name         TEXT NOT NULL,
    rule         TEXT NOT NULL,
    reason       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    connection   TEXT NOT NULL,
    address      TEXT NOT NULL,
    state        TEXT NOT NULL,
    head         INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    next_at      INTEGER NOT NULL,
    opened_at    INTEGER,
    unknown_at   INTEGER,
    double       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    settled_at   INTEGER,
    since        INTEGER NOT NULL,
    spent        INTEGER NOT NULL,
    last_error   TEXT NOT NULL,
    render_error TEXT NOT NULL,
    receipt      TEXT,
    destination  TEXT,
    content      TEXT
) STRICT;

CREATE INDEX deliveries_due ON deliveries (connection, address, next_at) WHERE head = 1 AND opened_at IS NULL;
CREATE INDEX deliveries_order ON deliveries (watch_id, connection, address) WHERE state = 'pending';
CREATE INDEX deliveries_next ON deliveries (next_at) WHERE state = 'pending';
CREATE INDEX deliveries_open ON deliveries (opened_at) WHERE opened_at IS NOT NULL;
CREATE INDEX deliveries_watch ON deliveries (watch_id);
CREATE INDEX deliveries_settled ON deliveries (coalesce(settled_at, created_at)) WHERE state <> 'pending';
CREATE INDEX deliveries_state ON deliveries (state);

-- How many rows there are by state, so that nobody counts millions.
CREATE TABLE counts (
    what  TEXT NOT NULL,
    state TEXT NOT NULL,
    n     INTEGER NOT NULL,
    PRIMARY KEY (what, state)
) STRICT, WITHOUT ROWID;
-- +goose StatementBegin
CREATE TRIGGER watches_insert AFTER INSERT ON watches BEGIN
    INSERT INTO counts VALUES ('watches', NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER watches_update AFTER UPDATE OF state ON watches WHEN OLD.state <> NEW.state BEGIN
    UPDATE counts SET n = n - 1 WHERE what = 'watches' AND state = OLD.state;
    INSERT INTO counts VALUES ('watches', NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER watches_delete AFTER DELETE ON watches BEGIN
    UPDATE counts SET n = n - 1 WHERE what = 'watches' AND state = OLD.state;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deliveries_insert AFTER INSERT ON deliveries BEGIN
    INSERT INTO counts VALUES ('deliveries', NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deliveries_update AFTER UPDATE OF state ON deliveries WHEN OLD.state <> NEW.state BEGIN
    UPDATE counts SET n = n - 1 WHERE what = 'deliveries' AND state = OLD.state;
    INSERT INTO counts VALUES ('deliveries', NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deliveries_delete AFTER DELETE ON deliveries BEGIN
    UPDATE counts SET n = n - 1 WHERE what = 'deliveries' AND state = OLD.state;
END;
-- +goose StatementEnd

-- watch is the seq of the watch: a timeline goes with its watch.
CREATE TABLE events (
    watch INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    text  TEXT NOT NULL,
    PRIMARY KEY (watch, seq)
) STRICT, WITHOUT ROWID;

-- tat is the time, in nanoseconds since 1970, at which the bucket will be full again.
CREATE TABLE buckets (
    name TEXT NOT NULL PRIMARY KEY,
    tat  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE resolved (
    connection TEXT NOT NULL,
    address    TEXT NOT NULL,
    value      TEXT NOT NULL,
    PRIMARY KEY (connection, address)
) STRICT, WITHOUT ROWID;

-- The ids of what was purged, so that nothing of it happens again.
CREATE TABLE purged_watches (id TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE purged_deliveries (id TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;

-- One row that a health check writes, large enough to find a disk that is nearly full.
CREATE TABLE pings (
    id     INTEGER PRIMARY KEY,
    n      INTEGER NOT NULL,
    filler BLOB
) STRICT;
INSERT INTO pings VALUES (1, 0, NULL);
