select
    id,
    {{ automate_dv.hash(columns='A', alias='one') }},
    {{ automate_dv.hash('!abc ', 'constant') }},
    {{ automate_dv.hash(columns=['C', 'A'], alias='listed') }},
    {{ automate_dv.hash(columns=['C', 'b', 'A'], alias='diff', is_hashdiff=true) }},
    {{ automate_dv.hash(columns='A', alias='diff_of_string', is_hashdiff=true) }}
from {{ source('raw', 'hash_input') }}
