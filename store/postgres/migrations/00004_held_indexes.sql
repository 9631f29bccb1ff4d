-- Indexes of what 00003 added. One that was not made to its end is made anew.

-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS flyte_notifier.deliveries_bundle;
CREATE INDEX CONCURRENTLY deliveries_bundle ON flyte_notifier.deliveries (bundle, seq) WHERE state = 'held';
DROP INDEX CONCURRENTLY IF EXISTS flyte_notifier.deliveries_held;
CREATE INDEX CONCURRENTLY deliveries_held ON flyte_notifier.deliveries (held_until, bundle) WHERE state = 'held';
