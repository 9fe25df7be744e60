{#- Stops a full refresh where raw events were removed: the vault would lose their history.
    See _load_batch__macros.yml. -#}
{% macro check_raw_is_complete() %}
    {%- if flags.FULL_REFRESH and not var('accept_lost_history') and load_batch_removed_event_exists() -%}
        {%- set found = run_query("select topic from staging.removed_event limit 1") -%}
        {%- if found.rows | length > 0 -%}
            {{ exceptions.raise_compiler_error(
                "Raw events were removed from staging (see staging.removed_event), so a full refresh would lose their history. "
                ~ "Run without --full-refresh; to load from the source again: ./airline reset, then ./airline up. "
                ~ "If that history may be lost: dbt run --full-refresh --vars '{accept_lost_history: true}'"
            ) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
