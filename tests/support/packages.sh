# Debian packages for the scripts, to be sourced.
# shellcheck shell=sh disable=SC2034,SC2086 # the variables are read by the scripts; lists are split into words
#
#     packages_ensure "NEEDED..." "USEFUL..."
#
# Installs through apt what is missing, and says so; silent when all is there. A useful package that this
# system's apt does not know is left out; a needed one that cannot be installed ends the script.

packages_base="build-essential meson ninja-build pkg-config uthash-dev"
packages_fast="libdnnl-dev libopenblas-dev zlib1g-dev libcairo2-dev"

packages_missing() { # NAME...: print those that are not installed
    for package in "$@"; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

packages_ensure() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "No apt here: the contents of these Debian packages are expected to be there: $1 $2"
        return 0
    fi
    needed=$(packages_missing $1)
    useful=$(packages_missing $2)
    [ -n "$needed$useful" ] || return 0

    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root=sudo
        if ! command -v sudo >/dev/null; then
            echo "To be installed, as root: apt-get install $needed$useful" >&2
            [ -z "$needed" ] || exit 1
            return 0
        fi
    fi

    echo "Installing through apt: $needed$useful"
    $as_root apt-get -q update || echo "apt-get update failed; going on with the lists that are there." >&2
    known=
    for package in $useful; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            known="$known$package "
        else
            echo "Leaving out $package, which apt does not know; the build does without it."
        fi
    done
    [ -n "$needed$known" ] || return 0
    if ! $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends install $needed $known; then
        echo "apt-get could not install all of: $needed$known" >&2
        [ -z "$(packages_missing $1)" ] || exit 1
        echo "The build does without what is missing." >&2
    fi
}
