{{ automate_dv.hub() }}
