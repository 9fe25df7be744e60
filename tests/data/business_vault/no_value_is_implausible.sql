-- A warning, and no error: the source has values that the marts leave out of their figures (macros/marts/plausible.sql).
-- Which: select * from dwh_business.implausible_values.
{{ config(severity='warn') }}

select
    table_name,
    row_key,
    column_name,
    reason
from {{ ref('implausible_values') }}
