"""Superset: the dashboards as files, and the server that shows them.

`services.py` runs it, `superset_config.py` is what it reads, `assets.py` knows the files and
`chain.py` checks them without a server. `inside.py` alone needs Superset's own packages: it runs in
their environment, called by `commands.py`.
"""
