/** Files without write permission, in the hands of a user to whom permissions apply. */
import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../../src/bytes.ts'
import { commit, createDirectorySource, createRepo, fsck, pullLocal, type RepoMode } from '../../../../src/node.ts'
import { loadNative } from '../../../../src/system/native.ts'
import { isRoot } from '../../../support/machine.ts'

const NOBODY = 65_534
const MODES = ['bare-user', 'bare', 'bare-user-only', 'archive'] as const
const PERMISSIONS = [0o400, 0o444, 0o500, 0o644]

/** Commits a tree, pulls it into a repository of mode bare-user, and returns the permissions of the files there. */
async function commitAndPull(folder: string, mode: RepoMode): Promise<number[]> {
  const tree = join(folder, `tree-${mode}`)
  mkdirSync(tree)
  for (const permissions of PERMISSIONS) {
    for (const name of [`${permissions}-a`, `${permissions}-b`]) {
      writeFileSync(join(tree, name), `${mode} ${name}`)
      if (mode === 'bare') loadNative()?.setXattr(join(tree, name), 'user.key', encodeUtf8('value'))
      chmodSync(join(tree, name), permissions)
    }
  }
  await using repo = await createRepo(join(folder, mode), { mode })
  await commit(repo, { trees: [{ directory: createDirectorySource(tree) }], branch: 'main', timestamp: 0n })
  expect(await fsck(repo)).toMatchObject({ damaged: 0, objects: 3 + 2 * PERMISSIONS.length })

  await using other = await createRepo(join(folder, `of-${mode}`), { mode: 'bare-user' })
  await pullLocal(repo, other, { refs: ['main'] })
  expect(await fsck(other)).toMatchObject({ damaged: 0 })
  const found: number[] = []
  for await (const { checksum } of other.objects.list('file')) {
    const path = `objects/${checksum.slice(0, 2)}/${checksum.slice(2)}.file`
    found.push(lstatSync(join(folder, `of-${mode}`, path)).mode & 0o7777)
  }
  return found.sort()
}

describe('as a user other than root', () => {
  let folder: string
  beforeAll(async () => {
    // Not in the folder of the run, which only its owner may enter.
    folder = mkdtempSync(join(tmpdir(), 'ostree-ts-without-root-'))
    if (!isRoot) return
    // Loads all modules, since the other user need not be able to read them.
    mkdirSync(join(folder, 'as-root'))
    for (const mode of MODES) await commitAndPull(join(folder, 'as-root'), mode)
    chownSync(folder, NOBODY, NOBODY)
    process.setegid?.(NOBODY)
    process.seteuid?.(NOBODY)
  })
  afterAll(() => {
    if (isRoot) {
      process.seteuid?.(0)
      process.setegid?.(0)
    }
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(MODES)('files without write permission are committed to mode %s, pulled, and read again', async (mode) => {
    const found = await commitAndPull(folder, mode)
    expect(found).toEqual(PERMISSIONS.flatMap((permissions) => [permissions, permissions]).sort())
  })
})
