"""What each operator looks at, and the step that runs it on blocks: one rule per operator.

Rules answer None where an operator cannot run on blocks as it is called; ``build.py`` has the table of them.
"""
