"""What can be said of scores over seeds: spread, intervals, differences, and how many seeds it takes to see one.

Functions say their formula and its source. Numbers are floats in the scores' own unit.
"""
