-- Why a delivery is not to be sent again once its open attempt has ended.

-- +goose Up
ALTER TABLE deliveries ADD COLUMN over TEXT NOT NULL DEFAULT '';
