"""Encoding operators of MRI."""
