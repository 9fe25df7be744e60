"""The dbt project as seen from outside: its docs site, ER diagrams, contracts and conventions."""
