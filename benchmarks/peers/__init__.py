"""Packages that the benchmarks compare with, each in an environment and a process of its own."""
