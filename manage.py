#!/usr/bin/env python
"""Plumbline's command line: `manage.py up` starts everything, `manage.py help` lists the rest."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from config.environment import EnvironmentValueError

    try:
        execute_from_command_line(sys.argv)
    except EnvironmentValueError as error:
        sys.exit(str(error))
