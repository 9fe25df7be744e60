{{ config(materialized='view') }}
select * from {{ source('raw', 'cost_batch') }}
