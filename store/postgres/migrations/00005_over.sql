-- Why a delivery is not to be sent again once its open attempt has ended.

-- +goose Up
ALTER TABLE flyte_notifier.deliveries ADD COLUMN over text COLLATE "C" NOT NULL DEFAULT '';
