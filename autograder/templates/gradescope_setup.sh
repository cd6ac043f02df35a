#!/usr/bin/env bash
# Runs once, as root, when Gradescope builds the image.
set -euo pipefail
cd /autograder/source
chmod -R go-rwx /autograder/source
apt-get update
apt-get install -y --no-install-recommends bubblewrap libseccomp2 python3 python3-venv
python3 -c 'import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit("Python 3.11 to 3.13 is needed: choose Ubuntu 24.04 as the base image")'
python3 -m venv /opt/crossroads
/opt/crossroads/bin/pip install --no-cache-dir "./@WHEEL@"
/opt/crossroads/bin/crossroads-gradescope --help > /dev/null
