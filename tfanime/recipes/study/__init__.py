"""Trains a recipe with many settings, one run after the other, and shows them side by side.

Run as `python -m tfanime.recipes.study FILE.toml`. `plan` says what the file holds, `folder` what the study leaves
behind, `results` the results of its runs.
"""
