"""Airflow's part of the stack: its configuration, its services, and what its DAGs are made of.

`python -m infra.airflow …` is Airflow's own command with this stack's configuration.
"""
