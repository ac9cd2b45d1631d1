import { spawnSync } from 'node:child_process'
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { describeReference, NEWEST_OSTREE, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')
const OURS = new URL('../../../bin/ostree-ts', import.meta.url).pathname
const DIGEST = 'ostree.composefs.digest.v0'

interface Result {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  readonly files: readonly (readonly [name: string, kind: string, content: string])[]
}

/** Runs a program in a fresh copy of a folder, and returns what it printed and what is in the folder then. */
function runIn(program: string, words: readonly string[]): Result {
  const copy = join(folder, 'copy')
  rmSync(copy, { recursive: true, force: true })
  cpSync(join(folder, 'work'), copy, { recursive: true, verbatimSymlinks: true })
  const { status, stdout, stderr } = spawnSync('sh', ['-c', 'umask 077; exec "$@"', 'sh', program, ...words], {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
  })
  const files = readdirSync(copy)
    .filter((name) => !['r', 'missing', 'tree'].includes(name))
    .map((name) => {
      const stat = lstatSync(join(copy, name))
      const content = stat.isFile() ? readFileSync(join(copy, name)).toString('base64') : ''
      return [name, (stat.mode & 0o177777).toString(8), content] as const
    })
  const text = (printed: string) =>
    printed.replaceAll(/^OT: .*\n/gm, '').replaceAll(/tmp\.[A-Za-z0-9]{6}/g, 'tmp.XXXXXX')
  return { status, stdout: text(stdout), stderr: text(stderr), files }
}

describeReference(NEWEST_OSTREE, 'ostree 2026.4 and ostree-ts agree on', () => {
  beforeAll(() => {
    const work = join(folder, 'work')
    mkdirSync(join(work, 'tree/usr/bin'), { recursive: true })
    writeFileSync(join(work, 'tree/usr/bin/x'), 'hi\n')
    writeFileSync(join(work, 'tree/big'), 'b'.repeat(50_000))
    symlinkSync('x', join(work, 'tree/usr/bin/y'))
    const ostree = (...words: string[]) => run(NEWEST_OSTREE, words, { cwd: work })
    ostree('init', '--repo=r', '--mode=archive')
    const commit = (branch: string, ...words: string[]) =>
      ostree('commit', '--repo=r', '-b', branch, '--no-bindings', '--timestamp=@0', '--tree=dir=tree', ...words)
    commit('main', '--generate-composefs-metadata')
    commit('plain')
    commit('short', `--add-metadata=${DIGEST}=[byte 1,2]`)
    commit('wrong', `--add-metadata=${DIGEST}=[${Array.from({ length: 32 }, (_, i) => `byte ${i}`).join(',')}]`)
    cpSync(join(work, 'r'), join(work, 'missing'), { recursive: true })
    const file = run('find', ['missing/objects', '-name', '*.filez'], { cwd: work }).split('\n').sort()[1] ?? ''
    rmSync(join(work, file))
    mkdirSync(join(work, 'directory'))
    symlinkSync('nowhere', join(work, 'link'))
    writeFileSync(join(work, 'old'), 'old content')
  })

  const checkout = ['checkout', '--repo=r', '--composefs']
  const noverity = ['checkout', '--repo=r', '--composefs-noverity']
  test.each([
    [[...checkout, 'main', 'out']],
    [[...checkout, 'main']],
    [[...checkout, 'plain', 'old']],
    [[...checkout, 'plain', 'link']],
    [[...checkout, 'plain', 'directory']],
    [[...checkout, 'plain', './directory']],
    [[...checkout, 'plain', 'no/directory']],
    [[...checkout, 'plain', '']],
    [[...checkout, 'short', 'out']],
    [[...checkout, 'wrong', 'out']],
    [[...checkout, 'nothing', 'out']],
    [[...noverity, 'wrong', 'out']],
    [[...noverity, '--composefs', 'wrong', 'out']],
    [[...checkout, '--union-add', 'main', 'out']],
    [[...checkout, '--whiteouts', 'main', 'out']],
    [[...checkout, '-U', '--union', '--subpath=/usr', '--allow-noent', '--fsync=no', 'main', 'out']],
    [['checkout', '--repo=missing', '--composefs', 'main', 'out']],
    [['checkout', '--repo=missing', '--composefs-noverity', 'main', 'out']],
    [['commit', '--repo=missing', '--generate-composefs-metadata', '-b', 'new', '--tree=ref=main']],
    [
      [
        ...['commit', '--repo=r', '--generate-composefs-metadata', '--generate-sizes', '--timestamp=@0', '-b', 'new'],
        ...['--add-metadata-string=version=1.0', '--add-metadata-string=zz=1', '--tree=dir=tree'],
      ],
    ],
  ])('%j', (words) => {
    expect(runIn(OURS, words)).toEqual(runIn(NEWEST_OSTREE, words))
  })
})

test('composefs image writes to standard output what it writes to a file', () => {
  const repo = join(folder, 'own')
  mkdirSync(join(folder, 'tree'))
  writeFileSync(join(folder, 'tree/file'), 'content')
  run(OURS, ['init', `--repo=${repo}`, '--mode=archive'])
  run(OURS, ['commit', `--repo=${repo}`, '-b', 'main', `--tree=dir=${join(folder, 'tree')}`])
  const file = join(folder, 'image')
  expect(run(OURS, ['composefs', 'image', `--repo=${repo}`, 'main', file])).toBe('')
  const printed = run(OURS, ['composefs', 'image', `--repo=${repo}`, 'main'], { encoding: 'latin1' })
  expect(Buffer.from(printed, 'latin1').equals(readFileSync(file))).toBe(true)
  const json: unknown = JSON.parse(run(OURS, ['composefs', 'digest', `--repo=${repo}`, '--json', 'main']))
  const digest = run(OURS, ['composefs', 'digest', `--repo=${repo}`, 'main']).trim()
  expect(json).toEqual({ commit: expect.any(String), digest, size: readFileSync(file).length })
})
