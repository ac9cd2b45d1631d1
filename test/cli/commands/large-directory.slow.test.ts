/** Tests of the memory that commands take for a commit with very many names in one directory. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { DirMeta, S_IFDIR, S_IFREG } from '../../../src/objects/index.ts'
import { nodePlatform as platform } from '../../../src/platform/node.ts'
import { MutableTree, Repo, writeCommit, writeTree } from '../../../src/repo/index.ts'
import { initFsStorage } from '../../../src/repo/stores/fs/index.ts'
import { BuiltCommand, spawn } from '../../support/built-command.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const MB = 1e6
/** The number of names can be set, and the memory is printed then. */
const SHOWN = process.env['LARGE_DIRECTORY_NAMES']
const NAMES = Number(SHOWN ?? 250_000)
/** Bytes of a name, its NUL, its checksum, and their framing offsets, with more than 64 KiB of entries. */
const ENTRY = 12 + 1 + 32 + 1 + 4

/** Prints the peak of the memory in bytes when a process ends. */
const PEAK = `if (require('node:worker_threads').isMainThread) process.on('exit', () => {
  require('node:fs').writeSync(2, 'peak ' + process.resourceUsage().maxRSS * 1024 + '\\n')
})`

/** Commands, and the lines that each prints. */
const commands: readonly (readonly [line: string, lines: number])[] = [
  ['ls main /', 1 + NAMES],
  ['ls -R main', 1 + NAMES],
  ['ls -d main /name-0000007', 1],
  ['fsck', 7],
  ['export main --output=/dev/null', 0],
  ['prune --refs-only', 2],
]

let command: BuiltCommand
let folder: string

beforeAll(async () => {
  folder = temporaryFolder()
  command = await BuiltCommand.build()
  writeFileSync(join(folder, 'peak.cjs'), PEAK)
  const storage = await initFsStorage(join(folder, 'repo'), { platform, mode: 'bare-user-only' })
  const repo = await Repo.open(storage, platform)
  await repo.transaction(async (tx) => {
    const owner = { uid: 0, gid: 0, xattrs: [] }
    const header = { ...owner, mode: S_IFREG | 0o644, target: '' }
    const checksum = await tx.writeFile({ header, size: 1, body: Uint8Array.of(1) })
    const tree = new MutableTree()
    tree.setMeta(await tx.writeMeta('dirmeta', DirMeta.encode({ ...owner, mode: S_IFDIR | 0o755 })))
    for (let i = 0; i < NAMES; i++) tree.replaceFile(`name-${String(i).padStart(7, '0')}`, checksum)
    tx.setRef('heads/main', { commit: await writeCommit(tx, { root: await writeTree(tx, tree), timestamp: 0n }) })
  })
  await storage[Symbol.asyncDispose]()
}, 60_000)

describe(`${NAMES} names in one directory`, () => {
  test.each(commands)(
    '`%s` takes little more memory than the bytes of the directory',
    { timeout: 60_000 },
    (line, lines) => {
      const { rc, stderr } = spawn('sh', ['-c', `${command.shellCommand} ${line} --repo=repo >output`], folder, '', {
        NODE_OPTIONS: `--require=${join(folder, 'peak.cjs')}`,
      })
      const output = readFileSync(join(folder, 'output'))
      expect({ rc, lines: output.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 0) }).toEqual({
        rc: 0,
        lines,
      })
      const peak = Number(/^peak (\d+)$/m.exec(stderr)?.[1])
      if (SHOWN) process.stdout.write(`${line}: ${peak / MB} MB\n`)
      expect(peak).toBeGreaterThan(20 * MB)
      expect(peak).toBeLessThan(110 * MB + 2 * NAMES * ENTRY)
    },
  )
})
