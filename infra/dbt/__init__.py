"""The dbt project: running it, its packages, its docs site, diagrams, contracts and conventions."""
