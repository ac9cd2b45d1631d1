/** Files that are named in options and arguments and cannot be read or written: errors have the words of ostree. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { runInProcess } from '../../support/in-process.ts'
import { describeReference } from '../../support/reference.ts'
import { SideBySide } from '../../support/side-by-side.ts'
import { temporaryFolder } from '../../support/temporary.ts'

describeReference('ostree', 'files that cannot be read', () => {
  let pair: SideBySide
  beforeAll(async () => {
    pair = new SideBySide()
    pair.shell('mkdir -p t dir; echo a > t/a; echo > plain')
    await pair.run(['init', '--repo=@/r', '--mode=bare-user-only'])
    await pair.run(['commit', '--repo=@/r', '-b', 'main', '--timestamp=@1', '@/t'])
  })

  test.each(['@/dir', '@/absent', '@/plain/x', '/proc/self/mem'])('%j', async (file) => {
    for (const option of ['--skip-list', '--statoverride', '--body-file']) {
      await pair.run(['commit', '--repo=@/r', '-b', 'x', `${option}=${file}`, '@/t'])
    }
    await pair.run(['checkout', '--repo=@/r', `--skip-list=${file}`, 'main', '@/out'])
    await pair.run(['show', '--repo=@/r', '--print-variant-type=s', file])
  })

  test('the empty name is not that of the current directory', async () => {
    await pair.run(['checkout', '--repo=@/r', '--from-file=', '@/out'])
    await pair.run(['remote', 'add', '--repo=@/r', '--gpg-import=', 'x', 'http://localhost'])
    await pair.run(['static-delta', 'generate', '--repo=@/r', '--empty', '--filename=', 'main'])
  })

  test('a commit and the configuration may be directories', async () => {
    pair.shell('cp -a r broken; cd broken; f=$(echo objects/*/*.commit); rm $f; mkdir $f')
    await pair.run(['log', '--repo=@/broken', 'main'])
    pair.shell('cd broken; rm config; mkdir config')
    await pair.run(['refs', '--repo=@/broken'])
  })

  test('the folder of a delta may be missing', async () => {
    for (const file of ['@/absent/x', '@/plain/x']) {
      await pair.run(['static-delta', 'generate', '--repo=@/r', '--empty', `--filename=${file}`, 'main'])
    }
  })

  test('an editor may put a directory in place of the message', async () => {
    const env = { TERM: 'xterm', EDITOR: 'sh -c \'rm "$0"; mkdir "$0"\'' }
    await pair.run(['commit', '--repo=@/r', '-e', '-b', 'x', '@/t'], {}, env)
  })
})

describe('errors of the file system that ostree words with random names', () => {
  const place = temporaryFolder()
  const ABSENT = join(place, 'absent')
  const TREE = join(place, 't')
  const REPO = `--repo=${join(place, 'r')}`
  const words = ['commit', REPO, '-e', '-b', 'x', TREE]
  beforeAll(async () => {
    mkdirSync(join(place, 't'))
    writeFileSync(join(place, 't/a'), 'a')
    await runInProcess(['init', REPO, '--mode=bare-user-only'], place)
    expect(await runInProcess(['commit', REPO, '-b', 'main', TREE], place)).toMatchObject({
      stderr: '',
      status: 0,
    })
  })

  test.each([
    ['rm', /^error: openat\(.*\/COMMIT_MESSAGE\): No such file or directory\n$/],
    ["printf '\\377' >", /^error: Invalid UTF-8\n$/],
  ])('the editor %s leaves no message that can be read', async (EDITOR, message) => {
    const { status, stderr } = await runInProcess(words, place, { EDITOR, TERM: 'xterm' })
    expect(stderr).toMatch(message)
    expect(status).toBe(1)
  })

  test('the folder for temporary files may be missing', async () => {
    vi.stubEnv('TMPDIR', '/absent')
    try {
      expect(await runInProcess(words, place, { EDITOR: 'true', TERM: 'xterm' })).toMatchObject({
        status: 1,
        stderr: 'error: Failed to create file \u201c/absent/ostree-XXXXXX\u201d: No such file or directory\n',
      })
    } finally {
      vi.unstubAllEnvs()
    }
  })

  test('a delta cannot replace a directory', async () => {
    const words = ['static-delta', 'generate', REPO, '--empty', '--inline', `--filename=${TREE}`, 'main']
    expect(await runInProcess(words, place)).toMatchObject({
      status: 1,
      stderr: `error: openat(${TREE}): Is a directory\n`,
    })
  })

  test.each([
    [['container', 'image', 'replace-detached-metadata', '--src=oci:a', '--dest=oci:b', ABSENT], ABSENT],
    [['provisional-repair', 'analyze-inodes', REPO, `--write-result-to=${ABSENT}/x`], `${ABSENT}/x`],
  ])('%j', async (words, path) => {
    const { status, stderr } = await runInProcess(words, place)
    expect(stderr).toBe(`error: openat(${path}): No such file or directory\n`)
    expect(status).toBe(1)
  })
})
