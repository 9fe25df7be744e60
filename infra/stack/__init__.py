"""What every part stands on: services, their supervision, steps, ports, the state folder."""
