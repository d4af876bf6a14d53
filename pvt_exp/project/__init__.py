"""A project of a person's own: the files that ``pvt-exp init`` writes, filled in with what is found in their data.

Begin with `found.data`, which looks at the data, and `texts.files_of`, which says what is written.
"""
