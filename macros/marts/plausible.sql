{#- What of the source's values the marts count with: decided here and in the variable `plausible`. What is left out is in
    implausible_values. No bound follows the clock: a value that counted once counts for ever. -#}

{#- The moment, or NULL where it is none that a timetable has. A CASE is computed before what is around it, so arithmetic
    with what it gives never overflows. -#}
{% macro plausible_moment(moment) -%}
    case
        when
            {{ moment }} >= timestamptz '{{ plausible("first_day") }} 00:00:00+00'
            and {{ moment }} < timestamptz '{{ plausible("end_day") }} 00:00:00+00'
            then {{ moment }}
    end
{%- endmacro %}


{#- The moment, or NULL where it lies too far from the timetable's. -#}
{% macro near_timetable(actual, scheduled) -%}
    case
        when
            {{ plausible_moment(actual) | indent(12) }}
            between {{ plausible_moment(scheduled) | indent(12) }} - interval '{{ plausible("hours_off_timetable") }} hours'
            and {{ plausible_moment(scheduled) | indent(12) }} + interval '{{ plausible("hours_off_timetable") }} hours'
            then {{ actual }}
    end
{%- endmacro %}


{#- The amount, or NULL where it is no amount of money. NaN is greater than everything to PostgreSQL. -#}
{% macro plausible_amount(amount) -%}
    case when {{ amount }} >= 0 and {{ amount }} < numeric 'Infinity' then {{ amount }} end
{%- endmacro %}


{#- The degrees, or NULL where they are beyond what a sphere has. Rounded to more than a double can tell: 1e-400 is none. -#}
{% macro plausible_degrees(degrees, most) -%}
    case when {{ degrees }} between -{{ most }} and {{ most }} then cast(round({{ degrees }}, 15) as double precision) end
{%- endmacro %}


{#- Minutes behind the timetable; 0 for an early flight, NULL where the two moments cannot belong together. -#}
{% macro minutes_late(actual, scheduled) -%}
    case
        when {{ near_timetable(actual, scheduled) | indent(8) }} is not null
            then greatest(0, extract(epoch from {{ plausible_moment(actual) | indent(12) }} - {{ plausible_moment(scheduled) | indent(12) }}) / 60)
    end
{%- endmacro %}
