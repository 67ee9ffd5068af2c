"""The small file format between labeling and training: digest-named directories and the records inside them.

Imports neither Django, Celery nor torch, so that every process can read and write it.
"""
