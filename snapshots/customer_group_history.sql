{% snapshot customer_group_history %}

{#- Only what the history is of, and no names: personal data stays in the mart. dbt writes its times without
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
from {{ ref('frequent_flyers') }}

{% endsnapshot %}
