#!/bin/sh
# Grades a classroom in the grading image: container/grade.sh CLASSROOM [OPTION ...]
# ENGINE: docker or podman. The options go to `autograder grade`.
set -eu
if [ $# -lt 1 ]; then
    echo "usage: $0 CLASSROOM [OPTION ...]" >&2
    exit 2
fi
classroom=$(cd "$1" && pwd -P)
shift
engine=${ENGINE:-docker}
own=""
user="$(id -u):$(id -g)"
if [ "$(id -u)" = 0 ]; then # without capabilities root cannot make sandboxes
    user=$(stat -c %u:%g "$classroom")
    if [ "${user%%:*}" = 0 ]; then
        echo "$classroom belongs to root, and nothing is graded as root in a container:" \
            "give it to an ordinary user, as chown -R 1000:1000 does" >&2
        exit 2
    fi
elif [ "$engine" = podman ]; then
    own="--userns=keep-id"
fi
# shellcheck disable=SC2086 # $own is empty or one word
exec "$engine" run --rm --init --network none --cap-drop ALL $own \
    --user "$user" \
    --security-opt seccomp=unconfined \
    --security-opt apparmor=unconfined \
    --security-opt systempaths=unconfined \
    --memory 6g --memory-swap 6g --pids-limit 512 \
    --volume "$classroom:/classroom" \
    --volume crossroads-cache:/cache \
    crossroads-grader autograder grade /classroom "$@"
