"""Columns' lineage: from a column of the source to marts, charts and dashboards, and back."""
