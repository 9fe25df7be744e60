{{ config(materialized='vault_insert_by_rank') }} select 1 as one
