import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeUtf8 } from '../../../src/bytes.ts'
import { detectEnvironment } from '../../../src/cli/container/container-environment.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { collisionsAmong, createRepo } from '../../../src/repo/local.ts'
import { buildImage, packLayer } from '../../../src/testing/index.ts'
import { runInProcess } from '../../support/in-process.ts'
import { temporaryFolder } from '../../support/temporary.ts'

describe('collisionsAmong', () => {
  test('inodes collide if their lowest 32 bits are equal', () => {
    const high = 1n << 32n
    expect(collisionsAmong([1n, 2n, 3n])).toEqual({ inode32: 3, inode64: 0, collisions: [] })
    expect(collisionsAmong([high + 7n, high + 8n])).toEqual({ inode32: 0, inode64: 2, collisions: [] })
    expect(collisionsAmong([high + 2n, 2n])).toEqual({ inode32: 1, inode64: 1, collisions: [high + 2n] })
    expect(collisionsAmong([3n * high, high, 5n])).toEqual({ inode32: 1, inode64: 2, collisions: [3n * high] })
  })

  test('each inode is counted once, in whatever order they come', () => {
    const inode = fc.bigInt({ min: 1n, max: (1n << 64n) - 1n })
    const near = fc.tuple(fc.bigInt(0n, 3n), fc.bigInt(0n, 5n)).map(([high, low]) => (high << 32n) + low)
    fc.assert(
      fc.property(fc.array(fc.oneof(inode, near)), (inodes) => {
        const found = collisionsAmong(inodes)
        const all = new Set(inodes)
        expect(collisionsAmong([...inodes].reverse())).toEqual(found)
        expect(found.inode32 + found.inode64).toBe(all.size)
        expect(all.size - found.collisions.length).toBe(new Set([...all].map((one) => BigInt.asUintN(32, one))).size)
        for (const one of found.collisions) expect(one > 0xffffffffn).toBe(true)
      }),
    )
  })
})

describe('`ostree-ts provisional-repair`', () => {
  const root = temporaryFolder()
  const repo = join(root, 'sys/ostree/repo')
  const run = (...words: string[]) => runInProcess(['provisional-repair', ...words], root)
  beforeAll(async () => {
    mkdirSync(join(root, 'sys/ostree'), { recursive: true })
    await (await createRepo(repo, { mode: 'bare-user-only' })).close()
    for (const [path, bytes] of buildImage(nodePlatform, [
      { tar: await packLayer([{ path: 'usr/hello', body: encodeUtf8('hello') }]) },
    ])) {
      mkdirSync(join(root, 'image', path, '..'), { recursive: true })
      writeFileSync(join(root, 'image', path), bytes)
    }
    const image = `oci:${root}/image`
    const pulled = await runInProcess(['container', 'image', 'pull', `--repo=${repo}`, '--quiet', image], root)
    expect(pulled.stderr).toBe('')
  })

  test('`analyze-inodes` counts inodes, and finds no collision', async () => {
    const { stdout, stderr, status } = await run('analyze-inodes', `--repo=${repo}`, `--write-result-to=${root}/result`)
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 })
    expect(stdout).toMatch(/\nGathering inodes for ostree objects\.\.\.\nOK: No colliding objects found\.\n$/)
    const { collisions, inode32, inode64 } = JSON.parse(readFileSync(join(root, 'result'), 'utf8'))
    expect(collisions).toEqual([])
    expect(inode32 + inode64).toBe(1)
  })

  test('`repair` does not change a repository without collisions', async () => {
    const { stdout, status } = await run('repair', `--sysroot=${root}/sys`, `--write-result-to=${root}/result`)
    expect(status).toBe(0)
    expect(stdout).toContain('\nOK no colliding inodes found\n')
    expect(JSON.parse(readFileSync(join(root, 'result'), 'utf8'))).toMatchObject({
      'booted-is-likely-corrupted': false,
      inodes: { collisions: [] },
      'likely-corrupted-container-image-merges': [],
      'staged-is-likely-corrupted': false,
    })
  })

  test('`repair` without a sysroot is refused', async () => {
    expect((await run('repair')).stderr).toContain('--sysroot must be specified')
    rmSync(join(root, 'result'), { force: true })
  })
})

test('detectEnvironment recognises containers and booted systems', () => {
  const root = temporaryFolder()
  const env = { INVOCATION_ID: 'x' }
  mkdirSync(join(root, 'run'))
  expect(detectEnvironment(root, env)).toBe('none')
  expect(detectEnvironment(root, { ...env, container: 'oci' })).toBe('container')
  writeFileSync(join(root, 'run/ostree-booted'), '')
  expect(detectEnvironment(root, env)).toBe('ostree')
  mkdirSync(join(root, 'sysroot/ostree/repo'), { recursive: true })
  writeFileSync(join(root, 'sysroot/ostree/repo/config'), '[core]\nmode=bare-split-xattrs\n')
  expect(detectEnvironment(root, { ...env, container: 'oci' })).toBe('ostree-container')
})
