/**
 * Imports layers as real image builds write them, and compares with ostree. ostree-ext's archive can be tested too: if
 * OSTREE_EXT_FIXTURES names the folder of ostree-ext's own fixtures, its `hlinks.tar.gz` is used.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { importLayer } from '../../../src/container/import/import-layer.ts'
import type { Digest } from '../../../src/container/index.ts'
import { openRepo } from '../../../src/repo/local.ts'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { memoryRepo, once } from '../tar-kit.ts'

const LAYER = `sha256:${'cd'.repeat(32)}` as Digest
const fixture = join(process.env['OSTREE_EXT_FIXTURES'] ?? '', 'hlinks.tar.gz')

/** Writes files as installing a program with several names does: hard and symbolic links among regular files. */
function install(root: string): void {
  const ids = join(root, 'usr/lib/.build-id')
  for (const folder of ['usr/bin', 'usr/sbin', 'usr/lib64/python3/__pycache__', 'usr/share/licenses/tool']) {
    mkdirSync(join(root, folder), { recursive: true })
  }
  for (let i = 0; i < 60; i++) {
    const id = i.toString(16).padStart(2, '0')
    mkdirSync(join(ids, id), { recursive: true })
    symlinkSync(`../../../../usr/sbin/tool${i % 7}`, join(ids, id, id.repeat(19)))
  }
  for (let i = 0; i < 7; i++)
    writeFileSync(join(root, `usr/sbin/tool${i}`), `tool ${i}\n`.repeat(i * 900), { mode: 0o755 })
  for (const name of ['c', 'a', 'b']) linkSync(join(root, 'usr/sbin/tool3'), join(root, `usr/bin/${name}`))
  const long = join(root, `usr/lib64/python3/__pycache__/${'module'.repeat(30)}`)
  writeFileSync(`${long}.pyc`, 'compiled')
  linkSync(`${long}.pyc`, `${long}.opt-1.pyc`)
  writeFileSync(join(root, 'usr/share/licenses/tool/COPYING'), '')
}

describeReference(['ostree', 'tar'], 'a layer of a real build', () => {
  const folder = temporaryFolder()

  async function both(name: string, tar: Uint8Array): Promise<void> {
    const path = join(folder, `${name}.tar`)
    writeFileSync(path, tar)
    const theirs = join(folder, `${name}.repo`)
    run('ostree', ['init', '--mode=bare-user', `--repo=${theirs}`])
    const [commit = ''] = run('ostree', [
      ...['commit', `--repo=${theirs}`, '-b', 'layer', '--tar-autocreate-parents', `--tree=tar=${path}`],
    ]).split('\n')
    await using reference = await openRepo(theirs)
    const { rootTree, rootMeta } = await reference.readCommit(await reference.resolve(commit))

    const repo = await memoryRepo()
    const layer = await repo.transaction((tx) => importLayer(repo, tx, once(tar), { layer: LAYER }))
    expect(layer.filtered.size).toBe(0)
    expect([layer.tree, layer.meta]).toEqual([rootTree, rootMeta])
  }

  test.each(['gnu', 'pax', 'ustar'])(
    'a layer in the format %s, with hard links and owner names, gives the tree of ostree (case D5)',
    async (format) => {
      const root = join(folder, format)
      install(root)
      if (format === 'ustar') rmSync(join(root, 'usr/lib64'), { recursive: true })
      const owner = ['--owner=builder:1000', '--group=builder:1000', '--sort=name', '--mtime=@1700000000']
      const tar = execFileSync('tar', ['-c', `--format=${format}`, ...owner, '-C', root, 'usr'], { maxBuffer: 1 << 28 })
      await both(format, tar)
    },
  )

  test.runIf(existsSync(fixture))(
    "the layer of ostree-ext's fixtures gives the tree of ostree (needs OSTREE_EXT_FIXTURES) (case D5)",
    async () => {
      await both('fixture', gunzipSync(readFileSync(fixture)))
    },
  )
})
