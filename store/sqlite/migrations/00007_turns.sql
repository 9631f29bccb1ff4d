-- The projects of a lane take turns, and what is told first goes before reminders. Of deliveries made before this
-- migration none counts as a reminder.

-- +goose Up
ALTER TABLE deliveries ADD COLUMN priority INTEGER NOT NULL DEFAULT 0; -- 1: a reminder
CREATE INDEX deliveries_turn ON deliveries (connection, address, priority, project, domain, next_at) WHERE head = 1 AND opened_at IS NULL;
