{{ config(materialized='pit_incremental') }} select 1 as one
