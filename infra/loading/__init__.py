"""Source to staging to vault: how far events have come, and the loads that bring them on."""
