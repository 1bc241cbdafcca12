"""The sandbox's state: its objects, its clocks, its events; no HTTP."""
