{{ config(materialized='bridge_incremental') }} select 1 as one
