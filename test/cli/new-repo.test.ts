/** SQLite files that commands create, and remove again if nothing is stored in them. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { createMissing, removeIfEmpty } from '../../src/cli/new-repo.ts'
import { openRepo } from '../../src/repo/local.ts'
import { runForBytes, runInProcess } from '../support/in-process.ts'
import { temporaryFolder } from '../support/temporary.ts'

const LAYOUT = fileURLToPath(new URL('../../examples/exampleos', import.meta.url))
const IMAGE = `oci:${LAYOUT}:1.0`
const folder = temporaryFolder()
const full = join(folder, 'full.sqlite')
const encapsulated = `oci:${folder}/encapsulated:t`

let count = 0
/** Returns a path in a directory of its own, so that files beside it are noticed. */
const fresh = (): string => {
  const directory = join(folder, `${count++}`)
  mkdirSync(directory)
  return join(directory, 'new.sqlite')
}
const filesBeside = (path: string): string[] => readdirSync(join(path, '..'))

async function ok(...words: string[]): Promise<Uint8Array> {
  const { status, stdout, stderr } = await runForBytes(words, folder)
  expect(status, stderr).toBe(0)
  return stdout
}

beforeAll(async () => {
  await ok('container', 'image', 'pull', full, IMAGE)
  mkdirSync(join(folder, 'tree'))
  writeFileSync(join(folder, 'tree/file'), 'content')
  await ok('commit', `--repo=${full}`, '-b', 'main', join(folder, 'tree'))
  writeFileSync(join(folder, 'commit.tar'), await ok('tar', 'export', `--repo=${full}`, 'main'))
  await ok('container', 'encapsulate', `--repo=${full}`, 'main', encapsulated)
})

/** Commands that store something in a repository, with an argument to store, and one that does not exist. */
const COMMANDS: readonly [title: string, words: (path: string, from: string) => string[], good: string, bad: string][] =
  [
    ['container image pull PATH', (path, from) => ['container', 'image', 'pull', path, from], IMAGE, 'oci:/missing'],
    [
      'container image pull --repo=PATH',
      (path, from) => ['container', 'image', 'pull', `--repo=${path}`, from],
      IMAGE,
      `oci:${LAYOUT}:missing`,
    ],
    [
      'container unencapsulate',
      (path, from) => ['container', 'unencapsulate', `--repo=${path}`, '--write-ref=x', from],
      encapsulated,
      IMAGE,
    ],
    [
      'container image copy',
      (path, from) => ['container', 'image', 'copy', `--src-repo=${full}`, `--dest-repo=${path}`, from],
      IMAGE,
      'oci:/missing',
    ],
    ['tar import', (path, from) => ['tar', 'import', `--repo=${path}`, from], join(folder, 'commit.tar'), '/dev/null'],
    ['pull-local', (path, from) => ['pull-local', `--repo=${path}`, full, from], 'main', 'missing'],
  ]

describe.each(COMMANDS)('`%s`', (_, words, good, bad) => {
  test('a missing SQLite file is created', async () => {
    const path = fresh()
    await ok(...words(path, good))
    expect(filesBeside(path)).toEqual(['new.sqlite'])
    expect(new TextDecoder().decode(await ok('fsck', `--repo=${path}`))).toContain('no errors found')
  })

  test('a run that fails leaves no file', async () => {
    const path = fresh()
    expect(await runInProcess(words(path, bad), folder)).toMatchObject({ status: 1 })
    expect(filesBeside(path)).toEqual([])
  })

  test('a run that fails leaves an existing empty file as it was', async () => {
    const path = fresh()
    await ok('init', `--repo=${path}`)
    const before = readFileSync(path)
    expect(await runInProcess(words(path, bad), folder)).toMatchObject({ status: 1 })
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('a missing directory is not created', async () => {
    const path = join(fresh(), '../directory')
    const { status, stderr } = await runInProcess(words(path, good), folder)
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/^error: opening repo: opendir\(/) })
    expect(existsSync(path)).toBe(false)
  })
})

test('layers that were stored before a pull failed are kept, and the next pull does not fetch them', async () => {
  const path = fresh()
  const layout = join(folder, 'incomplete')
  cpSync(LAYOUT, layout, { recursive: true })
  const { layers } = JSON.parse(
    new TextDecoder().decode(await ok('container', 'image', 'metadata', `--repo=${full}`, IMAGE)),
  )
  const last = join(layout, 'blobs', layers.at(-1).digest.replace(':', '/'))
  rmSync(last)
  expect(await runInProcess(['container', 'image', 'pull', path, `oci:${layout}:1.0`], folder)).toMatchObject({
    status: 1,
  })
  expect(filesBeside(path)).toEqual(['new.sqlite'])
  cpSync(join(LAYOUT, 'blobs', layers.at(-1).digest.replace(':', '/')), last)
  const again = new TextDecoder().decode(await ok('container', 'image', 'pull', path, `oci:${layout}:1.0`))
  expect(again).toMatch(/^layers already present: [12]; /)
})

test('`container image pull --check` leaves no file', async () => {
  const path = fresh()
  await ok('container', 'image', 'pull', `--check=${folder}/manifest.json`, path, IMAGE)
  expect(filesBeside(path)).toEqual([])
  expect(existsSync(join(folder, 'manifest.json'))).toBe(true)
})

test('a process that has opened a file which is removed fails, and does not write to it', async () => {
  const path = fresh()
  const created = await createMissing(path)
  if (created === undefined) throw new Error('not created')
  await using other = await openRepo(path)
  await removeIfEmpty(created, path)
  await created.close()
  await expect(other.storage.begin()).rejects.toThrow(`${path}: the file was removed or replaced by another process`)
})

test('a file that another process has locked is not removed', async () => {
  const path = fresh()
  const created = await createMissing(path)
  if (created === undefined) throw new Error('not created')
  await using other = await openRepo(path)
  await using _ = await other.storage.lock('shared')
  await removeIfEmpty(created, path)
  await created.close()
  expect(existsSync(path)).toBe(true)
})
