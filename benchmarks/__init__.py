"""How fast the service is, beside its floor: `python -m benchmarks --help`."""
