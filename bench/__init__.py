"""What is claimed of Constellation's speed, measured: one module for each bench.

`python -m bench` lists them. A bench is a module with a docstring, whose first line says what it
measures, and a function ``run(options) -> Report``.
"""
