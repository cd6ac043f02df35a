#!/usr/bin/env bash
# Make ARTEFACT the model that serves, under the name VERSION, in FOLDER.
#
#     deploy.sh FOLDER VERSION ARTEFACT SHA256
#
# Running it again changes nothing. FOLDER/current always points to a release that
# passed its check; FOLDER/previous to the one before it. To roll back, deploy that
# one's version again: its files are still there.
set -euo pipefail

if [[ $# -ne 4 ]]; then
    echo "usage: deploy.sh FOLDER VERSION ARTEFACT SHA256" >&2
    exit 2
fi
folder=$1 version=$2 artefact=$3 sha256=$4
release="$folder/releases/$version"

check() { # the file at $1 is the one that was tested
    local found
    found=$(sha256sum "$1" | cut -d ' ' -f 1)
    if [[ "$found" != "$sha256" ]]; then
        echo "check failed: $1 is not the artefact that was tested" >&2
        return 1
    fi
}

point() { # make the link $1 point to release $2, in one step
    ln -sfn "releases/$2" "$folder/$1.new"
    mv -fT "$folder/$1.new" "$folder/$1"
}

live=""
if [[ -L "$folder/current" ]]; then
    live=$(basename "$(readlink "$folder/current")")
fi

if [[ ! -e "$release/model.npz" ]]; then
    echo "copy $version"
    mkdir -p "$release"
    cp "$artefact" "$release/model.npz.part"
    mv "$release/model.npz.part" "$release/model.npz" # whole, or not at all
fi

if ! check "$release/model.npz"; then
    if [[ "$live" != "$version" ]]; then
        rm -rf "$release"
    fi
    exit 1
fi

if [[ "$live" == "$version" ]]; then
    echo "$version is live already: nothing to do"
    exit 0
fi

if [[ -n "$live" ]]; then
    point previous "$live"
fi
point current "$version"
echo "live: $version"

shopt -s nullglob
for old in "$folder"/releases/*/; do
    name=$(basename "$old")
    if [[ "$name" != "$version" && "$name" != "$live" ]]; then
        rm -rf "$old"
        echo "removed $name"
    fi
done
