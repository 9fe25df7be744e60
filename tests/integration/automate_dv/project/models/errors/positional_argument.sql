{{ automate_dv.hub('A', 'B', none, 'L', 'S', 'stage_base', 'surplus') }}
