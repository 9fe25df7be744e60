"""The parts' names; what each is made of: registry.py. Read where no package is installed yet."""

NAMES = ("core", "superset", "docs", "airflow")
