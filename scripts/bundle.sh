#!/bin/sh
# Makes dist/cli/main.cjs, the whole program as one file of JavaScript, and beside it store-thread.cjs, what runs in the
# thread of the store, from src: 125 modules that Node finds, strips of their types and links one by one take 100 ms and
# 20 MB more. It takes a tenth of a second; bin/zanzara does it in a clone whenever a source has changed, `npm run build`
# for the package.
#
# CommonJS, because an ECMAScript module that names one of Node's own modules makes Node load all that it could export.
# Names stay as they are and lines are short, so that the stack in a report says where. Comments go: one letter that is
# not ASCII makes V8 keep the text at two bytes a character.

set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
out=$root/dist/cli/main.cjs
made=$out.$$

# The package carries the program for this system in one more package; what stands in .bin needs a Node to start it.
for esbuild in "$root"/node_modules/@esbuild/*/bin/esbuild; do
  [ -x "$esbuild" ] && break
done

mkdir -p "$root/dist/cli"
trap 'rm -f "$made" "$made.start"' EXIT
# The bundle gets the time at which reading began: a source that was saved while it was made is newer than it.
: >"$made.start"
bundle() {
  "$esbuild" "$root/src/$1" --outfile="$made" --bundle --platform=node --format=cjs --target=node26 \
    --minify-syntax --minify-whitespace --line-limit=120 --define:import.meta.dirname=__dirname --log-level=error
  touch -r "$made.start" "$made"
  # At once, so that no other start finds half a file.
  mv "$made" "$root/dist/cli/$2"
}
bundle modules/persistence/store/store-thread.ts store-thread.cjs
# Last: by it is seen whether all is up to date.
bundle cli/main.ts main.cjs
