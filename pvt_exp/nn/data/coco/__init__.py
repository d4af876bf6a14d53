"""COCO annotation files. `check` reads a file once, refuses what is wrong and writes arrays; `samples` reads from them.

What `check` uses: `strict_json` parses, `fields` reads single values, `box_format` finds boxes that are not
[left, top, width, height], `masks` reads polygons and run lengths, `duplicates` counts what stands twice. `arrays` opens
what was written.
"""
