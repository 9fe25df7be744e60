{{ config(meta={'as_of': false}) }}

select
    freshness.data_as_of,
    freshness.loaded_at,
    freshness.minutes_old,
    freshness.is_old
from {{ ref('data_freshness') }} as freshness
