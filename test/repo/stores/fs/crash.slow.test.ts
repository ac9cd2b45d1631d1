/** Processes that are killed at any moment: the repository stays valid, and the work can be done again. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { nodePlatform } from '../../../../src/platform/node.ts'
import { initFsStorage, openFsStorage } from '../../../../src/repo/stores/fs/index.ts'
import { regular, writeFlatCommit } from '../../../support/flat-commits.ts'
import { describeReference, run } from '../../../support/reference.ts'
import { temporaryFolder } from '../../../support/temporary.ts'
import { startStoreScript } from './store-child.ts'

const platform = nodePlatform
const root = temporaryFolder()

/**
 * Script of the child. It counts the calls that change the file system, and kills its process before the one that
 * DIES_BEFORE names. syncBuiltinESMExports passes the patched functions on to the library.
 */
const DYING = `
  import fs from 'node:fs'
  import { syncBuiltinESMExports } from 'node:module'
  let left = Number(process.env.DIES_BEFORE)
  const deadly = ['openSync', 'writeSync', 'fchmodSync', 'futimesSync', 'mkdirSync', 'renameSync', 'symlinkSync',
    'unlinkSync', 'rmSync', 'rmdirSync', 'utimesSync', 'fsyncSync']
  const arm = () => {
    for (const name of deadly) {
      const real = fs[name]
      fs[name] = (...args) => {
        if (left-- === 0) process.kill(process.pid, 'SIGKILL')
        return real(...args)
      }
    }
    syncBuiltinESMExports()
  }
`

function transactionScript(path: string): string {
  return `
    ${DYING}
    const { encodeUtf8 } = { encodeUtf8: (text) => new TextEncoder().encode(text) }
    const storage = await store.openFsStorage(${JSON.stringify(path)}, { platform: store.nodePlatform })
    arm()
    const tx = await storage.begin()
    const files = []
    for (let i = 0; i < 2; i++) files.push({ name: 'f' + i, header: store.regular(0o644), body: encodeUtf8('file ' + i) })
    files.push({ name: 'large', header: store.regular(0o755), body: new Uint8Array(1_100_000).fill(7) })
    files.push({ name: 'link', header: store.linkTo('f0'), body: new Uint8Array(0) })
    const commit = await store.writeFlatCommit(tx, files, 'main', 'to be killed')
    await tx.writeAttached('commitmeta', commit, new Uint8Array(0))
    tx.setRef('heads/dir/second', { commit })
    await tx.commit()
    say('survived, ' + left)
    process.exit(0)
  `
}

/** Creates a repository with a commit that must not be lost. */
async function prepare(path: string, mode: 'archive' | 'bare-user-only'): Promise<void> {
  const storage = await initFsStorage(path, { mode, platform })
  const tx = await storage.begin()
  await writeFlatCommit(tx, [{ name: 'old', header: regular(0o644), body: new Uint8Array(3) }], 'old')
  await tx.commit()
  await storage[Symbol.asyncDispose]()
}

function requireWhole(path: string): void {
  const fsck = spawnSync('ostree', ['fsck', `--repo=${path}`])
  expect(fsck.stderr.toString()).toBe('')
  expect(fsck.stdout.toString()).toContain('no errors found')
  expect(fsck.status).toBe(0)
}

describeReference('ostree', 'a process that is killed during a transaction', () => {
  test.each([
    ['every third', 'bare-user-only', 0, 3],
    ['every fifth', 'archive', 1, 5],
  ] as const)(
    'the repository is valid after a kill before %s change: mode %s',
    { timeout: 120_000 },
    async (_, mode, first, step) => {
      const template = join(root, `template-${mode}`)
      await prepare(template, mode)
      const path = join(root, `killed-${mode}`)
      let survived = false
      let published = 0
      for (let point = first; !survived; point += step) {
        if (point > 300) throw new Error('this never ends')
        rmSync(path, { recursive: true, force: true })
        cpSync(template, path, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
        const child = startStoreScript(transactionScript(path), { DIES_BEFORE: `${point}` })
        const { signal, code, output } = await child.ended
        survived = signal === null
        if (survived) expect(`${code} ${output}`).toMatch(/^0 survived/)

        requireWhole(path)
        expect(existsSync(join(path, 'refs/heads/old'))).toBe(true)
        const main = spawnSync('ostree', ['ls', '-R', `--repo=${path}`, 'main'])
        if (main.status === 0) published++
        else expect(main.stderr.toString()).toContain("Refspec 'main' not found")
        // In every second round ostree uses the repository first. Both have to cope with the left files.
        if (point % 2 === 0) {
          run('ostree', ['commit', `--repo=${path}`, '-b', 'next', `--tree=ref=old`, '-s', 'next'])
        }
        const storage = await openFsStorage(path, { platform })
        const tx = await storage.begin()
        const files = Array.from({ length: 2 }, (_, i) => ({
          name: `f${i}`,
          header: regular(0o644),
          body: new TextEncoder().encode(`file ${i}`),
        }))
        await writeFlatCommit(tx, files, 'again', 'again')
        await tx.commit()
        await storage[Symbol.asyncDispose]()
        requireWhole(path)
        expect(readdirSync(join(path, 'tmp')).filter((name) => name.startsWith('staging-'))).toEqual([])
      }
      // The refs are written last, so the commit is published in few of the rounds.
      expect(published).toBeGreaterThan(0)
    },
  )

  test('the repository is valid after a kill during transactions of 500 files', async () => {
    const path = join(root, 'midst')
    await prepare(path, 'bare-user-only')
    for (const delay of [0, 5, 20, 40, 80]) {
      const child = startStoreScript(`
        const storage = await store.openFsStorage(${JSON.stringify(path)}, { platform: store.nodePlatform })
        for (let round = 0; ; round++) {
          const tx = await storage.begin({ fsync: false })
          const files = Array.from({ length: 500 }, (_, i) => ({
            name: 'f' + i,
            header: store.regular(0o644),
            body: new TextEncoder().encode(process.pid + ' ' + round + ' ' + i),
          }))
          await store.writeFlatCommit(tx, files, 'busy', 'round ' + round)
          if (round === 0) say('working')
          await tx.commit()
        }
      `)
      await child.said('working')
      await new Promise((resolve) => setTimeout(resolve, delay))
      await child.kill()
      requireWhole(path)
    }
    const storage = await openFsStorage(path, { platform })
    await (await storage.begin()).commit()
    await storage[Symbol.asyncDispose]()
    expect(readdirSync(join(path, 'tmp'))).toEqual(['cache'])
    requireWhole(path)
  })
})
