-- River indexes the arguments and the metadata of jobs by their content, for searches that nobody does here.
-- Each change of a job writes to both. See ADR 10 for what that means for later versions of River.

-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX CONCURRENTLY IF EXISTS flyte_notifier.river_job_args_index;
DROP INDEX CONCURRENTLY IF EXISTS flyte_notifier.river_job_metadata_index;
