select {{ automate_dv.hash() }}
