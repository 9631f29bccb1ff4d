-- What the executor remembers, and deliveries that are held back.

-- +goose Up
CREATE TABLE notes (
    seq      INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    key      TEXT NOT NULL,
    watch_id TEXT NOT NULL,
    org      TEXT NOT NULL,
    project  TEXT NOT NULL,
    domain   TEXT NOT NULL,
    name     TEXT NOT NULL,
    due      INTEGER,
    version  INTEGER NOT NULL,
    body     TEXT,
    UNIQUE (kind, key)
) STRICT;
CREATE INDEX notes_due ON notes (kind, due, key) WHERE due IS NOT NULL;
CREATE INDEX notes_execution ON notes (kind, project, domain, name, org) WHERE name <> '';
CREATE INDEX notes_watch ON notes (watch_id) WHERE watch_id <> '';

-- A held delivery is never a head. What is held until nobody knows when has no held_until.
ALTER TABLE deliveries ADD COLUMN held_until INTEGER;
ALTER TABLE deliveries ADD COLUMN bundle TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_bundle ON deliveries (bundle) WHERE state = 'held';
CREATE INDEX deliveries_held ON deliveries (held_until, bundle) WHERE state = 'held';
