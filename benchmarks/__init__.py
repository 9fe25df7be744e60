"""Benchmarks: `./airline bench NAME`.

Each is a module with `main(arguments) -> exit code`. It starts what it needs on ports and in a
folder of its own, prints a table, and keeps it in docs/benchmarks as JSON and as a picture.
"""
