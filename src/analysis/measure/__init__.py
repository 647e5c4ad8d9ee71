"""Measures: functions on plain arrays; nothing here imports the rest of the package."""
