#!/usr/bin/env bash
# Unpacks a newer release of ostree than the system has, with its tests, from Debian's packages into a directory of its
# own. Nothing else on the system changes but apt's lists, if it has none; no script of a package is run.
#
#   scripts/newest-ostree.sh [DIRECTORY]      default: /var/tmp/ostree-newest
#
# Prints the path of a program `ostree` that runs the unpacked one from anywhere. A directory that has it is left as it
# is; remove the directory to unpack again. SUITE (default forky) and MIRROR (default: that of apt's sources) in the
# environment name another source. Needs root, apt and dpkg; downloads about 100 MB.
set -euo pipefail

directory=$(realpath -m "${1:-/var/tmp/ostree-newest}")
suite=${SUITE:-forky}
least=2026.4
packages=(
  ostree ostree-tests attr bash bsdextrautils composefs cpio findutils fuse3 gjs gnupg gpg-agent iproute2 libcap2-bin mawk
  mount openssl parallel procps python3 python3-yaml util-linux xz-utils
)

fail() {
  echo "newest-ostree: $*" >&2
  exit 1
}

# Prints the address of the mirror in apt's sources, of either form, from which packages of Debian itself come.
mirror() {
  local codename
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
  apt-get indextargets --format '$(CODENAME) $(REPO_URI) $(CREATED_BY)' 2>/dev/null |
    awk -v codename="$codename" '$1 == codename && $3 == "Packages" { print $2; exit }'
}

release() {
  "$1" --version | sed -nE "s/^ *Version: '([0-9.]+)'.*/\1/p"
}

if [ -x "$directory/ostree" ]; then
  echo "$directory/ostree"
  exit
fi
[ "$(id -u)" = 0 ] || fail 'root is needed'
for program in apt-get dpkg-deb; do
  command -v "$program" >/dev/null || fail "$program is missing: this works on Debian"
done
[ -z "$(ls -A "$directory" 2>/dev/null)" ] || fail "$directory is not empty"

# Another run that makes the same directory is waited for.
mkdir -p "$(dirname "$directory")"
exec 9<"$(dirname "$directory")"
flock 9
if [ -x "$directory/ostree" ]; then
  echo "$directory/ostree"
  exit
fi

root=$(mktemp -d "$directory.XXXXXX")
trap 'rm -rf "$root"' EXIT
trap 'exit 1' INT TERM
chmod 755 "$root"

# apt gets a state of its own: no package counts as installed, and no source but the one below is read.
state=$root/.apt
mkdir -p "$state/lists/partial" "$state/archives/partial"
: >"$state/status"
address=${MIRROR:-$(mirror)}
if [ -z "$address" ]; then
  # apt has no lists yet.
  apt-get update -qq
  address=$(mirror)
fi
[ -n "$address" ] || fail "apt's sources have no mirror of Debian: name one in MIRROR"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed=
[ ! -e "$keyring" ] || signed=" signed-by=$keyring"
echo "deb [arch=$(dpkg --print-architecture)$signed] $address $suite main" >"$state/sources.list"
apt=(
  apt-get -q -y
  -o "Dir::State=$state" -o "Dir::State::status=$state/status" -o "Dir::State::lists=$state/lists"
  -o "Dir::Cache=$state" -o "Dir::Cache::archives=$state/archives"
  -o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
  -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root
  -o APT::Install-Recommends=false -o Debug::NoLocking=true
)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
"${apt[@]}" update >"$state/log" 2>&1 || { tail -20 "$state/log" >&2; fail "no lists of packages from $address"; }
"${apt[@]}" --download-only install '?essential' "${packages[@]}" >"$state/log" 2>&1 ||
  { tail -20 "$state/log" >&2; fail 'no packages'; }

# base-files comes first, because it has the symbolic links bin, lib and sbin.
for package in "$state"/archives/base-files_*.deb "$state"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -xp --numeric-owner --keep-directory-symlink -C "$root" \
    --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale --exclude=./usr/share/info
done
rm -rf "$state"

# What the scripts of the packages would have created, as far as the tests need it.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
mkdir -p "$root"/{tmp,var/tmp,root,proc,sys,dev,run}
chmod 1777 "$root/tmp" "$root/var/tmp"
link() { [ -e "$root/$2" ] || [ -L "$root/$2" ] || ln -s "$1" "$root/$2"; }
link mawk usr/bin/awk
link which.debianutils usr/bin/which
link dash usr/bin/sh
link ../proc/self/mounts etc/mtab
link ../usr/share/libc-bin/nsswitch.conf etc/nsswitch.conf
printf '127.0.0.1\tlocalhost\n' >"$root/etc/hosts"
chroot "$root" /usr/sbin/ldconfig

# The program runs outside of the directory with the dynamic linker and the libraries of the directory.
linker=$(cd "$root" && ls usr/lib*/ld-linux*.so.* | head -n 1)
libraries=$(cd "$root" && dirname usr/lib/*/libostree-1.so.1)
write_program() {
  {
    echo '#!/bin/sh'
    printf "root='%s'\n" "${1//\'/\'\\\'\'}"
    echo "exec \"\$root/$linker\" --library-path \"\$root/$libraries\" --argv0 ostree \"\$root/usr/bin/ostree\" \"\$@\""
  } >"$root/ostree"
  chmod 755 "$root/ostree"
}
write_program "$root"
found=$(release "$root/ostree")
[ "$(printf '%s\n' "$least" "$found" | sort -V | head -n 1)" = "$least" ] ||
  fail "$suite has ostree ${found:-that does not run}; $least or newer is needed"
write_program "$directory"

[ ! -d "$directory" ] || rmdir "$directory"
mv -T "$root" "$directory"
trap - EXIT
echo "ostree $found" >&2
echo "$directory/ostree"
