/** Arguments with bytes that are not UTF-8: files of the machine are found, and errors name the bytes. */
import { beforeAll, expect, test } from 'vitest'
import { BuiltCommand, spawn } from '../support/built-command.ts'
import { describeReference, NEWEST_OSTREE, run } from '../support/reference.ts'
import { temporaryFolder } from '../support/temporary.ts'

/** Lists the files of the directory with their contents, but the objects of repositories, of which only the names. */
const LIST = `find . -name objects -prune -o -name tmp -prune -o -type f -print0 | sort -z | LC_ALL=C xargs -0 cksum`

describeReference(['ostree', NEWEST_OSTREE], 'arguments that are not UTF-8', () => {
  const place = temporaryFolder('disk')
  let ours: BuiltCommand
  const programs: string[] = [NEWEST_OSTREE]
  beforeAll(async () => {
    ours = await BuiltCommand.build()
    programs.push(ours.shellCommand)
    const script = `
      X=$(printf 'a\\377'); mkdir -p base; cd base; mkdir -p t/sub; echo a > t/a; echo b > t/sub/b; ln -s a t/l; cp -a t "$X"
      printf '/a\\n' > skip; cp skip "skip$X"; printf '=0600 /a\\n' > "stat$X"; echo body > "body$X"
      for r in r bu; do
        ostree init --repo=$r --mode=$(test $r = r && echo archive || echo bare-user-only)
        ostree commit --repo=$r -b main --timestamp=@1 t
      done
      cp -a r "repo$X"`
    run('sh', ['-e', '-c', script], { cwd: place })
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
  ])('both do the same for `%s`', (words) => {
    const [theirs, found] = programs.map((program) => {
      const script = `rm -rf w; cp -a base w; cd w; X=$(printf 'a\\377'); { ${program} ${words}; echo "status $?"; } > ../out 2> ../err
        ${LIST}; cat ../out ../err`
      return spawn('sh', ['-c', `{ ${script}; } | od -An -c`], place)
    })
    expect(found).toEqual(theirs)
  })

  test('a delta is written to the file', () => {
    const { stdout } = spawn(
      'sh',
      [
        '-c',
        `X=$(printf 'a\\377'); cd base && ${programs[1]} static-delta generate --repo=r --empty --inline --filename="d$X" main; test -s "d$X" && echo there`,
      ],
      place,
    )
    expect(stdout).toContain('there')
  })

  test('settings and cookies that are not UTF-8 are refused, because ostree could not read them again', () => {
    for (const words of [
      'config set a.b "$X"',
      'config set "a.b$X" c',
      'remote add x "http://$X"',
      'remote add-cookie x d p n "$X"',
      'remote add-cookie "$X" d p n v',
    ]) {
      const script = `X=$(printf 'a\\377'); rm -rf w; cp -a base w; cd w; ${programs[1]} ${words} --repo=r`
      expect(spawn('sh', ['-c', script], place)).toMatchObject({
        rc: 1,
        stderr: expect.stringMatching(/^error: Invalid /),
      })
      expect(spawn('sh', ['-c', 'diff -r w/r base/r'], place)).toEqual({ rc: 0, stdout: '', stderr: '' })
    }
  })
})
