"""Multiply-accumulates and memory of a module, counted without computing."""
