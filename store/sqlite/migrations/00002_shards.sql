-- Servers share the watching by shards: see 00003, which fills the buckets, and 00004 for the indexes.

-- +goose Up
ALTER TABLE watches ADD COLUMN bucket INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watches ADD COLUMN own_bucket INTEGER NOT NULL DEFAULT 0;
ALTER TABLE watches ADD COLUMN trace TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN trace TEXT NOT NULL DEFAULT '';
DROP INDEX watches_follow;
DROP INDEX watches_ended;
DROP INDEX watches_own;

-- One row a shard, once somebody claimed it. since is in microseconds, overlap in nanoseconds.
CREATE TABLE shards (
    org     TEXT NOT NULL,
    project TEXT NOT NULL,
    domain  TEXT NOT NULL,
    place   INTEGER NOT NULL,
    of      INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    since   INTEGER,
    overlap INTEGER NOT NULL,
    PRIMARY KEY (org, project, domain, place)
) STRICT, WITHOUT ROWID;

-- The lanes whose service asked for nothing before some time.
CREATE TABLE holds (
    connection TEXT NOT NULL,
    address    TEXT NOT NULL,
    until      INTEGER NOT NULL,
    PRIMARY KEY (connection, address)
) STRICT, WITHOUT ROWID;

-- The ids of purged deliveries are kept for as long as their watch is there: no other makes them
-- again, and one that was purged never moves again. Of those purged before this migration the watch
-- is not known; they stay until every watch of that time is gone.
ALTER TABLE purged_deliveries RENAME TO purged_unplaced;
ALTER TABLE purged_unplaced ADD COLUMN newest INTEGER NOT NULL DEFAULT 0; -- seq of a watch
UPDATE purged_unplaced SET newest = (SELECT coalesce(max(seq), 0) FROM watches);
CREATE TABLE purged_deliveries (
    watch_id TEXT NOT NULL,
    id       TEXT NOT NULL,
    PRIMARY KEY (watch_id, id)
) STRICT, WITHOUT ROWID;
