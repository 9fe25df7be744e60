-- Wrong if this returns a row: a mart reads something else than current_*, the kept segments, the flow's helpers, what was sold and returned and the book of persons, so it may see old versions or deleted rows.
{%- set allowed = ['load_batches', 'changed_flow_days', 'kept_ticket_flights', 'segment_sales', 'standing_bookings', 'segment_returns'] -%}
{%- set found = [] -%}
{%- if execute -%}
    {%- for mart in graph.nodes.values()
        if mart.resource_type == 'model' and mart.original_file_path.startswith('models/marts/') -%}
        {%- for id in mart.depends_on.nodes -%}
            {%- set input = graph.nodes.get(id) or graph.sources.get(id) -%}
            {%- if not (
                input.resource_type == 'seed'
                or input.original_file_path.startswith('models/marts/')
                or (input.schema == 'staging_pii' and input.name == 'identity')
                or (input.schema == 'dwh_business' and (input.name.startswith('current_') or input.name in allowed))
            ) -%}
                {%- do found.append((mart.name, input.name)) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endif %}
select
    '' as mart,
    '' as reads
where false
{%- for mart, input in found %}
union all
select '{{ mart }}', '{{ input }}'
{%- endfor %}
