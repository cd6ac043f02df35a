#!/usr/bin/env bash
# Runs for each submission. Without results.json Gradescope shows that the grader failed.
set -euo pipefail
exec /opt/crossroads/bin/crossroads-gradescope \
  --submission /autograder/submission \
  --results /autograder/results/results.json \
  --source /autograder/source \
  --lesson "@NAME@"
