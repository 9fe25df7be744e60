"""The booking system: its servers and tables, a history, CSV files, live traffic."""
