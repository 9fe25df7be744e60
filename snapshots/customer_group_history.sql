{% snapshot customer_group_history %}

{#- Only what the history is of, and no names: tokens of passengers stand in it. dbt writes its times without
    a time zone, in the session's. -#}
{{
    config(
        schema='snapshots',
        unique_key='passenger_id',
        strategy='check',
        check_cols=['customer_group'],
        hard_deletes='invalidate',
        pre_hook=session_in_utc(),
    )
}}

select
    passenger_id,
    customer_group,
    purchase_sum
from {{ ref('frequent_flyers_personal') }}

{% endsnapshot %}
