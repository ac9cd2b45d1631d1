import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nodePlatform } from '../../../src/platform/node.ts'
import { addRemote, deleteRemote, editConfig, listRemotes, Repo, remoteUrl } from '../../../src/repo/index.ts'
import { createRepo, openRepo } from '../../../src/repo/local.ts'
import { initFsStorage, openFsStorage } from '../../../src/repo/stores/fs/index.ts'
import { temporaryFolder } from '../../support/temporary.ts'

describe('remotes with files in remotes.d', () => {
  let folder: string
  let files: string
  let repo: Repo
  beforeEach(async () => {
    folder = temporaryFolder('disk')
    files = join(folder, 'remotes.d')
    mkdirSync(files)
    writeFileSync(join(files, 'foo.conf'), '# from a package\n[remote "foo"]\nurl=http://foo\n')
    writeFileSync(join(files, 'README'), 'not a key file')
    const path = join(folder, 'repo')
    await (await initFsStorage(path, { platform: nodePlatform, mode: 'archive' }))[Symbol.asyncDispose]()
    const storage = await openFsStorage(path, { platform: nodePlatform, remotesDirectory: files })
    repo = await Repo.open(storage, nodePlatform)
  })
  afterEach(async () => {
    await repo.close()
  })
  const file = (name: string): string => readFileSync(join(files, name), 'utf8')

  test('a remote in a file of its own is listed and has a URL', async () => {
    expect(await listRemotes(repo)).toEqual(['foo'])
    expect(await remoteUrl(repo, 'foo')).toBe('http://foo')
  })

  test('a remote is added to a file of its own, or to the configuration without add-remotes-config-dir', async () => {
    await addRemote(repo, { name: 'bar', url: 'http://bar' })
    expect(file('bar.conf')).toBe('[remote "bar"]\nurl=http://bar\n')
    await editConfig(repo, (config) => config.set('core', 'add-remotes-config-dir', false))
    await addRemote(repo, { name: 'baz', url: 'http://baz', options: [['branches', ['a', 'b']]] })
    expect(readFileSync(join(folder, 'repo/config'), 'utf8')).toMatch(
      /\n\n\[remote "baz"\]\nurl=http:..baz\nbranches=a;b;\n$/,
    )
    expect(await listRemotes(repo)).toEqual(['bar', 'baz', 'foo'])
  })

  test('a remote is replaced in its file, and deleted with its file', async () => {
    await addRemote(repo, { name: 'foo', url: 'http://new' }, 'replace')
    expect(file('foo.conf')).toContain('[remote "foo"]\nurl=http://new\n')
    await deleteRemote(repo, 'foo')
    expect(readdirSync(files)).toEqual(['README'])
    await expect(remoteUrl(repo, 'foo')).rejects.toThrow('Remote "foo" not found')
  })

  test('with a sysroot its remotes are read, new ones go into config, and a parent repository does not get them', async () => {
    const root = join(folder, 'root')
    mkdirSync(join(root, 'etc/ostree'), { recursive: true })
    renameSync(files, join(root, 'etc/ostree/remotes.d'))
    const open = (sysroot?: string) => openRepo(join(folder, 'repo'), { sysroot })
    {
      await using system = await open(root)
      expect(await listRemotes(system)).toEqual(['foo'])
      await addRemote(system, { name: 'bar', url: 'http://bar' })
      expect(system.config.get('remote "bar"', 'url')).toBe('http://bar')
      await expect(addRemote(system, { name: 'foo', url: 'http://x' })).rejects.toThrow(
        `already exists: ${root}/etc/ostree/remotes.d/foo.conf`,
      )
    }
    {
      await using child = await createRepo(join(folder, 'child'), { mode: 'archive' })
      await editConfig(child, (config) => config.set('core', 'parent', join(folder, 'repo')))
    }
    await using child = await openRepo(join(folder, 'child'), { sysroot: join(folder, 'none') })
    expect(await listRemotes(child)).toEqual(['bar'])
    await using plain = await open()
    expect(await listRemotes(plain)).toEqual(['bar'])
  })

  test('a remote that is configured twice is refused', async () => {
    await editConfig(repo, (config) => config.set('remote "foo"', 'url', 'http://again'))
    await expect(listRemotes(repo)).rejects.toThrow('Multiple specifications found for remote "foo"')
  })

  test('a remote that exists cannot be added, and the error names its file', async () => {
    await expect(addRemote(repo, { name: 'foo', url: 'http://x' })).rejects.toThrow(
      `Remote configuration for "foo" already exists: ${files}/foo.conf`,
    )
  })
})
