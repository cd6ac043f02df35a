"""Crossroads, the course: lessons, and the library that learners import."""

__version__ = "0.1.0"
