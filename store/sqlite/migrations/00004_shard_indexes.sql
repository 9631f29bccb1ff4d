-- +goose Up
-- The poll: names of a shard by state, without touching the table.
CREATE INDEX watches_follow ON watches (org, project, domain, state, bucket, name) WHERE kind = 'follow';
CREATE INDEX watches_ended ON watches (org, project, domain, bucket, ended_at, name) WHERE kind = 'follow' AND state = 'ended';
CREATE INDEX watches_own ON watches (own_org, own_project, own_domain, own_bucket, own_name)
    WHERE wait = 1 AND state = 'active' AND own_name <> '';
