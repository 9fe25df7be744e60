"""Which services a stack consists of."""
