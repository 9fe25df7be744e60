{% macro newest_closed_load_batch() %}
    {#- Only closed batches are wholly in the vault; what is visible of the open one is used, and used
        again when it is complete. -#}
    select coalesce(max(batches.load_batch_id), 0) as load_batch_id
    from {{ ref('load_batches') }} as batches
    where batches.is_closed
{% endmacro %}
