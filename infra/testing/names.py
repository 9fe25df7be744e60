"""The suites' names. Read where no package is installed yet."""

# Suite -> its folder in tests/.
SUITES = {
    "unit": "unit",
    "integration": "integration",
    "e2e": "e2e/core",
    "whole": "e2e/whole",
    "reliability": "e2e/faults",
}
