"""What the platform tells the application, read once."""

import os

PORT = int(os.environ.get("PORT", "8000"))
RELEASE = os.environ.get("PAAS_RELEASE", "none")
PROJECT = os.environ.get("PAAS_PROJECT", "hello")
ENVIRONMENT = os.environ.get("PAAS_ENVIRONMENT", "none")
COMMIT = os.environ.get("PAASTA_GIT_SHA", "")
WHAT = f"release {RELEASE}" + (f" commit {COMMIT}" if COMMIT else "")
