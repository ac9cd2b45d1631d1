/** Arguments with bytes that are not UTF-8: files of the machine are found, and errors name the bytes. */
import { beforeAll, expect, test } from 'vitest'
import { BesideNewest } from '../support/beside-newest.ts'
import { spawn } from '../support/built-command.ts'
import { describeReference, NEWEST_OSTREE } from '../support/reference.ts'

const VARIABLES = `X=$(printf 'a\\377')`

describeReference(['ostree', NEWEST_OSTREE], 'arguments that are not UTF-8', () => {
  let both: BesideNewest
  beforeAll(async () => {
    const setup = `
      mkdir -p t/sub; echo a > t/a; echo b > t/sub/b; ln -s a t/l; cp -a t "$X"
      printf '/a\\n' > skip; cp skip "skip$X"; printf '=0600 /a\\n' > "stat$X"; echo body > "body$X"
      for r in r bu; do
        ostree init --repo=$r --mode=$(test $r = r && echo archive || echo bare-user-only)
        ostree commit --repo=$r -b main --timestamp=@1 t
      done
      cp -a r "repo$X"`
    both = await BesideNewest.create(setup, VARIABLES)
  })

  test.each([
    'checkout --repo=bu -H main "d$X"',
    'checkout --repo=bu -C main "$X/d$X"',
    'checkout --repo=r -U main "$X"',
    'checkout --repo=r -U --union main "$X/"',
    'checkout --repo=r -U main "no$X/d"',
    'checkout --repo=r -U --subpath=/a main "d$X"',
    'checkout --repo=r -U --subpath="/$X" main d',
    'checkout --repo=r -U --skip-list="skip$X" main d',
    'checkout --repo=r -U --skip-list="no$X" main d',
    'checkout --repo=r -U --from-file="no$X" d',
    'checkout --repo=r -U --selinux-policy="no$X" main d',
    'export --repo=r -o "out$X" main',
    'export --repo=r -o "no$X/out" main',
    'export --repo=r --prefix="$X/" main',
    'export --repo=r --subpath="/$X" main',
    'commit --repo=r --orphan --timestamp=@0 "$X"',
    'commit --repo=r --orphan --timestamp=@0 --consume "$X"',
    'commit --repo=r --orphan --timestamp=@0 "no$X"',
    'commit --repo=r --orphan --timestamp=@0 "$X/a"',
    'commit --repo=r --orphan --timestamp=@0 --tree="dir=$X"',
    'commit --repo=r --orphan --timestamp=@0 -F "body$X" --skip-list="skip$X" t',
    'commit --repo=r --orphan --timestamp=@0 --statoverride="stat$X" t',
    'commit --repo=r --orphan -F "no$X" t',
    'commit --repo=r --orphan --statoverride="no$X" t',
    'commit --repo=r --orphan --selinux-policy="no$X" t',
    'commit --repo=r --orphan --owner-uid="1$X" t',
    'config --repo=r get "$X.a"',
    'config --repo=r get "core.$X"',
    'config --repo=r --group="$X" get a',
    'remote add --repo=r "$X" http://x',
    'remote add --repo=r --gpg-import="no$X" x http://x',
    'remote delete --repo=r "$X"',
    'remote show-url --repo=r "$X"',
    'remote refs --repo=r "$X"',
    'remote gpg-import --repo=r "$X"',
    'remote gpg-import --repo=r -k "no$X" x',
    'remote list-cookies --repo=r "$X"',
    'show --repo=r --print-variant-type=s "$X/a"',
    'show --repo=r --print-variant-type=s "no$X"',
    'diff --repo=r "$X" main',
    'diff --repo=r main "./$X"',
    'diff --repo=r main "./no$X"',
    'checksum "$X"',
    'checksum "$X/a"',
    'checksum "no$X"',
    'refs --repo="repo$X"',
    'refs --repo="no$X"',
    'fsck --repo="repo$X"',
    'commit --repo="repo$X" -b x --timestamp=@0 "$X"',
    'checkout --repo="repo$X" -U main d',
    'config --repo="repo$X" set a.b c',
    'init --repo="new$X"',
    'init --repo="new$X/x"',
    'pull-local --repo=r "repo$X"',
    'pull-local --repo=r "no$X"',
    'create-usb --repo=r "no$X" org.x y',
    'create-usb --repo=r t "org$X" y',
    'create-usb --repo=r t org.x "y$X"',
    'prune --repo=r --depth="1$X"',
    'static-delta generate --repo=r "main$X"',
    'static-delta generate --repo=r --to="main$X"',
  ])('both do the same for `%s`', (words) => both.compare(`$O ${words}`))

  const ours = (words: string) =>
    spawn('sh', ['-c', `${VARIABLES}; rm -rf w; cp -a base w; cd w; ${both.ours} ${words}`], both.place)

  test('a delta is written to the file', () => {
    const words = 'static-delta generate --repo=r --empty --inline --filename="d$X" main && test -s "d$X" && echo there'
    expect(ours(words).stdout).toContain('there')
  })

  test.each([
    'config set a.b "$X"',
    'config set "a.b$X" c',
    'remote add x "http://$X"',
    'remote add-cookie x d p n "$X"',
    'remote add-cookie "$X" d p n v',
    'remote add-cookie a/b d p n v',
  ])('`%s` is refused, because ostree could not read the file again', (words) => {
    expect(ours(`${words} --repo=r`)).toMatchObject({ rc: 1, stderr: expect.stringMatching(/^error: Invalid /) })
    expect(spawn('diff', ['-r', 'w/r', 'base/r'], both.place)).toEqual({ rc: 0, stdout: '', stderr: '' })
  })
})
