"""PostgreSQL servers: a data folder and its server, sessions that end in time, roles."""
