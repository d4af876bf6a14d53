"""A tiny valid example of each kind of data set: ``write(root, monkeypatch)`` puts it on disk and returns its settings.

The contract tests take the example of a kind from the module of its name, so a new kind is tested by adding one here.
"""
