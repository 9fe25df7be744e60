{#- Which values of the source the marts use: decided here and in the variable `plausible`. Values that are left out are
    in implausible_values. No bound depends on the current time: a value that counted once always counts. -#}

{#- The moment, or NULL where no timetable can have it. A CASE is evaluated before the expression around it, so arithmetic
    with its result never overflows. -#}
{% macro plausible_moment(moment) -%}
    case
        when
            {{ moment }} >= {{ moment_literal(plausible('first_day') ~ ' 00:00:00+00') }}
            and {{ moment }} < {{ moment_literal(plausible('end_day') ~ ' 00:00:00+00') }}
            then {{ moment }}
    end
{%- endmacro %}


{#- The actual moment, or NULL where it is too far from the scheduled one. -#}
{% macro near_timetable(actual, scheduled) -%}
    case
        when
            {{ plausible_moment(actual) | indent(12) }}
            between {{ plausible_moment(scheduled) | indent(12) }} - interval '{{ plausible("hours_off_timetable") }} hours'
            and {{ plausible_moment(scheduled) | indent(12) }} + interval '{{ plausible("hours_off_timetable") }} hours'
            then {{ actual }}
    end
{%- endmacro %}


{#- The amount, or NULL where it is no amount of money. -#}
{% macro plausible_amount(amount) -%}
    case when {{ amount }} >= 0 and {{ is_below_infinity(amount) }} then {{ amount }} end
{%- endmacro %}


{#- The degrees, or NULL where they are out of range. Rounded to more digits than a double has, because a numeric such as
    1e-400 cannot be cast to double precision. -#}
{% macro plausible_degrees(degrees, most) -%}
    case when {{ degrees }} between -{{ most }} and {{ most }} then {{ as_double('round(' ~ degrees ~ ', 15)') }} end
{%- endmacro %}


{#- Minutes behind schedule; 0 for an early flight, NULL where the two moments cannot belong together. -#}
{% macro minutes_late(actual, scheduled) -%}
    case
        when {{ near_timetable(actual, scheduled) | indent(8) }} is not null
            then greatest(0, {{ seconds_between(plausible_moment(actual), plausible_moment(scheduled)) | indent(12) }} / 60)
    end
{%- endmacro %}
