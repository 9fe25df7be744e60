{{ config(materialized='vault_insert_by_period') }} select 1 as one
