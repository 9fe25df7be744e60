"""Live traffic on the booking system: what customers and the airline do all day."""

from infra.source.live.run import Summary, simulate
from infra.source.live.session import RealClock, SteppingClock

__all__ = ["RealClock", "SteppingClock", "Summary", "simulate"]
