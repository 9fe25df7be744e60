{{ config(materialized='view') }}
select * from {{ source('raw', 'stage_input') }}
