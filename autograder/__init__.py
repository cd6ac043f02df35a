"""Grades submissions of Crossroads lessons."""
