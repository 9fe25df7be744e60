{{ config(materialized='view') }}
select * from {{ source('raw', 'customers_a') }}
