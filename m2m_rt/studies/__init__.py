"""Offline studies behind `m2m study …`: which model predicts best, and how surely."""
