"""Milepost: train computer-use agents on rewards you can audit."""
