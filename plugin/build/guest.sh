# SPDX-License-Identifier: LGPL-2.1-or-later
# What the VM does at each step of 'berth template build': $1 is the step, the rest is what it needs.
# berth-build hands this text to a shell, which is root of a VM whose layers are those of a template
# and, on top, the builder's. What is built is an overlay of the template's own layers, and what a
# step writes there is what is packed: all beside it is in a tmpfs of the VM.
#
# Environment: BUILD_USER, who the steps are done as (nothing: root).
set -eu
export LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
work=/tmp/berth-build
root=$work/root
given=$root/run/berth
out=/home/user/out
as=${BUILD_USER:-root}
unset BUILD_USER
step=$1
shift

in_root() { # COMMAND...: as who the steps are done as
  HOME=$(awk -F : -v as="$as" '$1 == as { print $6 }' "$root/etc/passwd")
  export HOME="${HOME:-/}" USER="$as"
  [ "$as" = root ] || set -- --userspec="$as" "$root" "$@"
  [ "$as" != root ] || set -- "$root" "$@" # an image may have no name for it
  chroot "$@"
}

# A tmpfs of so many percent of the memory
mount_space() { # FOLDER PERCENT
  mkdir -p "$1"
  mount -t tmpfs -o "mode=0755,size=$2%" space "$1"
}

# Below the steps' own: what a running system has and no layer shall, as the folders in which packages'
# scripts make links to manual pages.
make_skeleton() { # FOLDER
  mkdir -p "$1/proc" "$1/sys" "$1/dev" "$1/run" "$1/tmp" "$1/root" "$1/etc" "$1/usr/sbin" \
    "$1/usr/share/man/man1" "$1/usr/share/man/man2" "$1/usr/share/man/man3" "$1/usr/share/man/man4" \
    "$1/usr/share/man/man5" "$1/usr/share/man/man6" "$1/usr/share/man/man7" "$1/usr/share/man/man8"
  [ ! -e /etc/resolv.conf ] || cp /etc/resolv.conf "$1/etc/resolv.conf"
  cp /etc/hosts "$1/etc/hosts"
  printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
  chmod 0755 "$1/usr/sbin/policy-rc.d"
}

# By one process for all of them: each takes a tenth of a second where a VM is emulated.
prepare() { # LAYERS
  mount_space "$work" 55
  mkdir "$work/disks" "$work/skeleton" "$work/upper" "$work/work" "$root" \
    "$work/layer-a" "$work/layer-b" "$work/layer-c" "$work/layer-d" "$work/layer-e" "$work/layer-f" "$work/layer-g"
  make_skeleton "$work/skeleton"
  lower=
  left=$1
  echo "disks $work/disks devtmpfs ro" >"$work/fstab"
  for disk in a b c d e f g; do
    [ "$left" -gt 0 ] || break
    left=$((left - 1))
    echo "$work/disks/vd$disk $work/layer-$disk erofs ro,nosuid,nodev"
    lower=$work/layer-$disk${lower:+:$lower}
  done >>"$work/fstab"
  [ "$1" = 0 ] || mount_root "$lower" # else there is an image first
}

mount_root() { # LAYERS
  cat >>"$work/fstab" <<FSTAB
root $root overlay lowerdir=$work/skeleton${1:+:$1},upperdir=$work/upper,workdir=$work/work,redirect_dir=off,metacopy=off,index=off,xino=off
proc $root/proc proc defaults
/dev $root/dev none rbind
run $root/run tmpfs mode=0755
tmp $root/tmp tmpfs mode=1777
home $root/root tmpfs mode=0700
FSTAB
  mount --all --fstab "$work/fstab"
  mkdir "$given" "$given/in" "$given/copy"
  list_packages >"$work/packages"
}

list_packages() {
  {
    [ ! -f "$root/var/lib/dpkg/status" ] ||
      dpkg-query --admindir="$root/var/lib/dpkg" -W -f 'apt ${Package} ${Version}\n'
    find "$root"/usr/local/lib/python3*/dist-packages -maxdepth 1 -name '*-*.dist-info' -printf '%f\n' 2>/dev/null |
      sed 's/^\([^-]*\)-\(.*\).dist-info$/pip \1 \2/'
    [ ! -d "$root/usr/local/lib/node_modules" ] || (
      cd "$root/usr/local/lib/node_modules"
      for file in */package.json @*/*/package.json; do
        [ ! -f "$file" ] || jq -r '"npm \(.name) \(.version)"' "$file"
      done
    )
  } | sort
}

# ---- an image that is all there is below the steps ----

# What a guest mounts on, whatever the image has there: a link would lead elsewhere.
make_folders() {
  for name in etc proc sys dev run tmp home home/user var var/tmp; do
    [ -d "$work/upper/$name" ] && [ ! -L "$work/upper/$name" ] || {
      rm -f "$work/upper/$name"
      mkdir "$work/upper/$name"
    }
  done
  # what the guest writes there, by these names
  for name in hostname hosts machine-id resolv.conf passwd group; do
    [ -f "$work/upper/etc/$name" ] && [ ! -L "$work/upper/etc/$name" ] || rm -rf "$work/upper/etc/$name"
  done
  rm -rf "$work/upper/dev"
  mkdir "$work/upper/dev"
}

unpack() { # PROGRAM REFERENCE; a tar of an OCI layout on standard input
  python3 -c "$1" take "$work/layout" "$2"
  rmdir "$work/upper"
  umoci --log error raw unpack --image "$work/layout:berth" "$work/upper" >&2
  rm -rf "$work/layout/blobs"
  make_folders
  mount_root ''
  python3 -c "$1" tell "$work/layout" "$root"
  : >"$work/packages" # all of them are new
}

# ---- the steps ----

receive() { # a package given by hand, as a tar on standard input
  tar -xf - -C "$given/in" --no-same-owner
}

copy_folder() { # GUEST; a tar of what is in it on standard input
  chroot "$root" mkdir -p -- "$1"
  chroot "$root" tar -xpf - -C "$1" --no-same-owner
}

copy_file() { # NAME GUEST; a tar of NAME on standard input
  tar -xpf - -C "$given/copy" --no-same-owner
  case $2 in
    */) chroot "$root" mkdir -p -- "$2" ;;
    *) chroot "$root" mkdir -p -- "$(dirname -- "$2")" ;;
  esac
  chroot "$root" cp -a -- "/run/berth/copy/$1" "$2"
  rm -rf "$given/copy"
  mkdir "$given/copy"
}

run() { # SCRIPT
  shell=/bin/bash
  [ -e "$root/bin/bash" ] || [ -L "$root/bin/bash" ] || shell=/bin/sh
  in_root "$shell" -ec "cd 2>/dev/null || cd /; $1"
}

use_pip() { # Debian's pip, compiled as its layer has it, run by the Python of what is built
  [ -d "$given/python" ] || { mkdir -p "$given/python/pip" && mount -o bind,ro /usr/lib/python3/dist-packages/pip "$given/python/pip"; }
  in_root env PYTHONPATH=/run/berth/python python3 -m pip --disable-pip-version-check --no-input --no-cache-dir --no-color "$@"
}

pip() { # INDEX PACKAGE...
  index=$1
  shift
  set -- --break-system-packages --no-warn-script-location --progress-bar off "$@"
  [ "$as" != root ] || set -- --root-user-action ignore "$@"
  case $index in
    '') set -- --no-index --find-links /run/berth/in "$@" ;;
    http:*) host=${index#http://} && set -- --index-url "$index" --trusted-host "${host%%/*}" "$@" ;;
    *) set -- --index-url "$index" "$@" ;;
  esac
  use_pip install "$@"
}

npm() { # REGISTRY PACKAGE...
  registry=$1
  shift
  set -- --global --prefix /usr/local --cache /run/berth/npm --no-audit --no-fund --no-update-notifier --loglevel warn "$@"
  case $registry in
    '') set -- --offline "$@" ;;
    *) set -- --registry "$registry" "$@" ;;
  esac
  in_root /usr/bin/npm install "$@"
  # Node.js looks for packages in node_modules of each folder above a program's, up to the root.
  [ -e "$root/node_modules" ] || ln -s usr/local/lib/node_modules "$root/node_modules"
}

apt() { # SOURCES PACKAGE...
  mkdir -p "$work/apt/lists/partial" "$work/apt/none" "$given/apt/partial"
  printf '%s' "$1" >"$work/apt/sources"
  shift
  cat >"$work/apt/conf" <<CONF
Dir::State "$work/apt";
Dir::State::lists "$work/apt/lists";
Dir::State::status "$root/var/lib/dpkg/status";
Dir::Cache "$work/apt";
Dir::Cache::archives "$given/apt";
Dir::Etc::sourcelist "$work/apt/sources";
Dir::Etc::sourceparts "$work/apt/none";
Dir::Etc::parts "$work/apt/none";
Dir::Etc::preferencesparts "$work/apt/none";
Dir::Log "$work/apt";
APT::Install-Recommends "false";
APT::Get::Assume-Yes "true";
APT::Sandbox::User "root";
Acquire::Languages "none";
DPkg::Use-Pty "false";
DPkg::Chroot-Directory "$root";
DPkg::Options { "--force-confdef"; "--force-confold"; "--log=/dev/null"; "--path-exclude=/usr/share/doc/*";
  "--path-exclude=/usr/share/man/*"; "--path-exclude=/usr/share/info/*"; "--path-exclude=/usr/share/locale/*"; };
CONF
  export APT_CONFIG=$work/apt/conf
  [ ! -s "$work/apt/sources" ] || apt-get -q update
  apt-get -q install -- "$@"
  # The layers have no scripts of their packages, and so none that does this.
  chroot "$root" ldconfig
  rm -rf "$given/apt" "$root"/var/lib/dpkg/*-old "$root/var/cache/debconf" "$root/var/cache/ldconfig/aux-cache"
}

pack() { # what was built, as a layer below the home; its size unpacked, and the packages that are new
  list_packages >"$work/packages.new"
  umount -R "$root"
  mount_space "$out" 40
  [ ! -d "$work/layer-a/usr" ] || chmod --reference "$work/layer-a" "$work/upper"
  mkfs.erofs -zlz4 "$out/layer" "$work/upper" >/dev/null
  du -s -B 1 --apparent-size "$work/upper" | cut -f 1
  comm -13 "$work/packages" "$work/packages.new"
}

"$step" "$@"
