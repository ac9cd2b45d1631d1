/** Image references in the place of revisions. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { refForImage } from '../../src/container/index.ts'
import { runForBytes, runInProcess } from '../support/in-process.ts'
import { temporaryFolder } from '../support/temporary.ts'

const LAYOUT = fileURLToPath(new URL('../../examples/exampleos', import.meta.url))
const IMAGE = `oci:${LAYOUT}:1.0`
const REF = refForImage(IMAGE)
const root = temporaryFolder()

describe.each(['store.sqlite', 'repo'])('an image in %s', (name) => {
  const repo = `--repo=${join(root, name)}`
  const run = async (...words: string[]) => {
    const { status, stdout, stderr } = await runInProcess(words, root)
    expect({ status, stderr }, words.join(' ')).toEqual({ status: 0, stderr: '' })
    return stdout
  }

  beforeAll(async () => {
    if (name === 'repo') await run('init', repo, '--mode=bare-user-only')
    await run('container', 'image', 'pull', '--quiet', join(root, name), IMAGE)
  })

  test.each([
    ['ls', ['-R']],
    ['log', []],
    ['show', []],
    ['show', ['--list-metadata-keys']],
    ['show', ['--print-metadata-key=ostree.manifest-digest']],
    ['rev-parse', []],
  ])(
    '`%s %j` prints the same for its reference, with and without the scheme, and for its ref',
    async (command, options) => {
      const expected = await run(command, repo, ...options, REF)
      expect(expected.length).toBeGreaterThan(20)
      for (const rev of [IMAGE, `ostree-unverified-image:${IMAGE}`]) {
        expect(await run(command, repo, ...options, rev)).toBe(expected)
      }
    },
  )

  test('`cat`, `diff` and `export` take its reference', async () => {
    expect(await run('cat', repo, IMAGE, '/usr/lib/os-release')).toContain('ID=exampleos')
    expect(await run('diff', repo, IMAGE, REF)).toBe('')
    expect(await run('diff', repo, '--stats', IMAGE, REF)).toContain('Common Object Count: ')
    const [ours, expected] = [
      await runForBytes(['export', repo, IMAGE], root),
      await runForBytes(['export', repo, REF], root),
    ]
    expect(ours.status).toBe(0)
    expect(ours.stdout.length).toBeGreaterThan(10_000)
    expect(Buffer.from(ours.stdout).equals(expected.stdout)).toBe(true)
  })

  test('`checkout` takes its reference', async () => {
    const target = join(root, `${name}-out`)
    await run('checkout', repo, '-U', IMAGE, target)
    expect(readFileSync(join(target, 'usr/lib/os-release'), 'utf8')).toContain('ID=exampleos')
  })

  test('`checkout --from-file` takes its reference', async () => {
    const list = join(root, `${name}-list`)
    writeFileSync(list, `${IMAGE}\0/usr/lib\0`)
    await run('checkout', repo, '-U', `--from-file=${list}`, join(root, `${name}-many`))
    expect(existsSync(join(root, `${name}-many`, 'os-release'))).toBe(true)
  })

  test('a ref of a remote that is named like a transport comes first', async () => {
    await run('refs', repo, '--create=oci:main', REF)
    expect(await run('rev-parse', repo, 'oci:main')).toBe(await run('rev-parse', repo, REF))
  })

  test.each([
    ['an image that is not stored', `oci:${LAYOUT}:none`, `Invalid refspec oci:${LAYOUT}:none`],
    ['a reference without a name', 'docker://', 'Invalid refspec docker://'],
    ['a remote that does not exist', 'oci:other', "Refspec 'oci:other' not found"],
  ])('%s is the error of ostree', async (_, rev, message) => {
    for (const words of [['ls'], ['log'], ['rev-parse'], ['export']]) {
      const { status, stderr } = await runInProcess([...words, repo, rev], root)
      expect({ status, stderr }).toEqual({ status: 1, stderr: `error: ${message}\n` })
    }
  })

  test('`image list --json` and `image list --layers` print its ref, and `image list` only its reference', async () => {
    expect(await run('container', 'image', 'list', repo)).toBe(`${IMAGE}\n`)
    expect(JSON.parse(await run('container', 'image', 'list', '--json', repo))).toMatchObject([
      { reference: IMAGE, ref: REF },
    ])
    expect(await run('container', 'image', 'list', '--layers', repo)).toContain(`  ref      ${REF}\n`)
  })
})
