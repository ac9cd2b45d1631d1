/** Settings that are refused before they are written, and settings that make writes fail. Texts are those of ostree 2026.4. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { nodePlatform } from '../../../src/platform/node.ts'
import { createMemoryStorage, Repo } from '../../../src/repo/index.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { commitTree } from '../../support/commits.ts'
import { regular } from '../../support/flat-commits.ts'
import { type Outcome, runInProcess } from '../../support/in-process.ts'
import { run, testReference } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const root = temporaryFolder()
let made = 0

async function newRepo(name = `repo${made++}`): Promise<string> {
  const path = join(root, name)
  await (await createRepo(path, { mode: 'archive' })).close()
  return path
}

const ostree = (...words: string[]): Promise<Outcome> => runInProcess(words, root)

describe('`config set` and `config unset`', () => {
  test.each([
    ['core.min-free-space-percent', '5x', "Invalid min-free-space-percent '5x': must be a number"],
    ['core.min-free-space-size', '3', "Invalid min-free-space-size '3': It should be of the format '123MB', '123GB'"],
    ['core.mode', 'foo', "Invalid mode 'foo' in repository configuration"],
    ['core.repo_version', '2', "Invalid repository version '2'"],
    ['core.fsync', 'x', 'Key file contains key “fsync” which has a value that cannot be interpreted.'],
    ['core.default-repo-finders', 'foo', "Invalid configured repo-finder 'foo'"],
    ['ex-integrity.composefs', 'x', 'Invalid tri-state value: x'],
    ['ex-integrity.fsverity', 'Yes', 'Invalid tri-state value: Yes'],
    ['ex-fsverity.required', 'bogus', 'Key file contains key “required” which has a value that cannot be interpreted.'],
    ['sysroot.bootloader', 'bogus', "Invalid bootloader configuration: 'bogus'"],
    [
      'core.parent',
      '/nonexistent',
      "While checking parent repository '/nonexistent': opening repo: opendir(/nonexistent): No such file or directory",
    ],
  ])('a value of %s with which the repository could not be opened is not written', async (key, value, message) => {
    const repo = await newRepo()
    const before = readFileSync(join(repo, 'config'), 'utf8')
    const { status, stderr } = await ostree('config', `--repo=${repo}`, 'set', key, value)
    expect({ status, stderr: stderr.slice(0, `error: ${message}`.length) }).toEqual({
      status: 1,
      stderr: `error: ${message}`,
    })
    expect(readFileSync(join(repo, 'config'), 'utf8')).toBe(before)
  })

  test('the version cannot be removed, since the repository could not be opened without it', async () => {
    const repo = await newRepo()
    expect(await ostree('config', `--repo=${repo}`, 'unset', 'core.repo_version')).toMatchObject({ status: 1 })
    expect(await ostree('refs', `--repo=${repo}`)).toMatchObject({ status: 0 })
  })

  test('a parent that is a repository is accepted', async () => {
    const [repo, parent] = [await newRepo(), await newRepo()]
    expect(await ostree('config', `--repo=${repo}`, 'set', 'core.parent', parent)).toMatchObject({ status: 0 })
    expect(await ostree('config', `--repo=${repo}`, 'get', 'core.parent')).toMatchObject({ stdout: `${parent}\n` })
  })
})

const TREE = join(root, 'tree')
mkdirSync(TREE)
writeFileSync(join(TREE, 'f'), 'x\n')
writeFileSync(join(TREE, 'large'), new Uint8Array(3 << 20))

describe('a repository that requires fs-verity', () => {
  test.each(['[ex-integrity]\nfsverity=yes\n', '[ex-fsverity]\nrequired=true\n'])(
    'refuses to write new objects, and can be read: %j',
    async (setting) => {
      for (const path of [await newRepo(), await newRepo(`repo${made++}.sqlite`)]) {
        expect(await ostree('commit', `--repo=${path}`, '-b', 'main', '--timestamp=@0', TREE)).toMatchObject({
          status: 0,
        })
        const repo = await openRepo(path)
        await repo.writeConfig(`${await repo.storage.readConfig()}\n${setting}`)
        await expect(repo.writeDetachedMetadata(await repo.resolve('main'), [])).rejects.toThrow(
          'Writing metadata object: fsverity required but filesystem does not support it',
        )
        await repo.close()
        // Nothing is written when every object exists already.
        expect(
          await ostree('commit', `--repo=${path}`, '-b', 'main', '--timestamp=@0', '--parent=none', TREE),
        ).toMatchObject({
          status: 0,
        })
        expect(await ostree('commit', `--repo=${path}`, '-b', 'other', '--timestamp=@1', TREE)).toEqual({
          status: 1,
          stdout: '',
          stderr: 'error: Writing metadata object: fsverity required but filesystem does not support it\n',
        })
        expect(await ostree('pull-local', `--repo=${path}`, await otherRepo())).toMatchObject({ status: 1 })
        expect(await ostree('refs', `--repo=${path}`)).toMatchObject({ status: 0, stdout: 'main\n' })
        expect(await ostree('cat', `--repo=${path}`, 'main', '/f')).toMatchObject({ status: 0, stdout: 'x\n' })
        expect(await ostree('fsck', `--repo=${path}`)).toMatchObject({ status: 0 })
      }
    },
  )

  test('small and large files are refused as well', async () => {
    const storage = createMemoryStorage({ platform: nodePlatform })
    const repo = await Repo.open(storage, nodePlatform)
    await repo.writeConfig(`${await storage.readConfig()}\n[ex-integrity]\nfsverity=1\n`)
    const header = regular(0o644)
    for (const size of [1, 3 << 20]) {
      await using tx = await repo.begin()
      await expect((async () => tx.writeFile({ header, size, body: new Uint8Array(size) }))()).rejects.toThrow(
        'Writing content object: fsverity required but filesystem does not support it',
      )
    }
  })

  async function otherRepo(): Promise<string> {
    const path = await newRepo()
    const repo = await openRepo(path)
    await commitTree(repo, { other: 'y' })
    await repo.close()
    return path
  }
})

describe('the space to keep free', () => {
  test('is counted before it is known whether an object exists', async () => {
    const path = join(temporaryFolder('disk'), 'repo')
    await (await createRepo(path, { mode: 'archive' })).close()
    expect(await ostree('commit', `--repo=${path}`, '-b', 'main', TREE)).toMatchObject({ status: 0 })
    appendFileSync(join(path, 'config'), 'min-free-space-size=943718400MB\n')
    expect(await ostree('commit', `--repo=${path}`, '-b', 'main', TREE)).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^error: Writing content object: min-free-space-size 943718400MB would be exceeded, at least \d.* requested\n$/,
      ),
    })
  })

  testReference('mount', 'is given back when an object exists: duplicates do not use it up', async () => {
    const disk = join(root, 'disk')
    mkdirSync(disk)
    run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk])
    try {
      const path = join(disk, 'repo')
      await (await createRepo(path, { mode: 'archive' })).close()
      appendFileSync(join(path, 'config'), 'min-free-space-size=3MB\n') // at most 256 blocks of 4096 bytes are free
      const tree = join(root, 'duplicates')
      mkdirSync(tree)
      for (let i = 0; i < 400; i++) writeFileSync(join(tree, `f${i}`), 'x')
      expect(await ostree('commit', `--repo=${path}`, '-b', 'main', tree)).toMatchObject({ status: 0 })
      for (let i = 0; i < 400; i++) writeFileSync(join(tree, `f${i}`), `${i}`)
      expect(await ostree('commit', `--repo=${path}`, '-b', 'main', tree)).toMatchObject({
        status: 1,
        stderr:
          'error: Writing content object: min-free-space-size 3MB would be exceeded, at least 4.1\u00a0kB requested\n',
      })
    } finally {
      run('umount', [disk])
    }
  })
})
