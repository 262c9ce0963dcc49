#!/bin/sh
# Installs the Debian packages that the interoperability tests talk to, for CI: other people's clients and broker.
# Their services are kept from starting: the tests start what they need, on ports of their own. Nothing is done, and no
# network is used, when all of them are installed.
set -eu

[ $# -gt 0 ] || set -- mosquitto mosquitto-clients python3-paho-mqtt chromium openssl gcc libc6-dev \
  strace qemu-user libc6-arm64-cross libstdc++6-arm64-cross libgcc-s1-arm64-cross libatomic1-arm64-cross

missing=''
for package in "$@"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=''
  [ "$state" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "Debian packages: all there ($*)."
  exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "Debian packages are missing:$missing. As root: apt-get install$missing" >&2
  exit 1
fi

# Debian asks this script before it starts a service; 101 is "not allowed". One that was there before comes back.
policy=/usr/sbin/policy-rc.d
kept=$policy.kept-by-zanzara
restore() {
  rm -f "$policy"
  if [ -e "$kept" ] || [ -L "$kept" ]; then mv "$kept" "$policy"; fi
}
trap restore EXIT
trap 'exit 1' HUP INT TERM
if [ -e "$policy" ] || [ -L "$policy" ]; then mv "$policy" "$kept"; fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

echo "Debian packages: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o Acquire::Retries=3 update
# Split on purpose: one argument per package.
# shellcheck disable=SC2086
apt-get -q -o Acquire::Retries=3 install -y --no-install-recommends $missing
