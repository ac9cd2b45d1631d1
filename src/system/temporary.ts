/**
 * Creates temporary directories beside the files that are being written, and removes those that killed processes left:
 *
 *     .tmp-ostree-ts-MACHINE-PID-XXXXXX
 *
 * MACHINE identifies the machine, its current boot and its PID namespace, because several machines may share a
 * directory. Directories of other machines are removed only when they are older than a day, as ostree does with its
 * own.
 */
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { errnoOf } from './errno.ts'

const PREFIX = '.tmp-ostree-ts-'
const NAME = /^\.tmp-ostree-ts-([0-9a-f]{8})-(\d{1,10})-\w{6}$/
/** Age in milliseconds after which a directory of another machine counts as left behind. */
const DAY = 86_400_000

let known: string | undefined

function machine(): string {
  if (known === undefined) {
    const parts = [
      () => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'),
      () => readlinkSync('/proc/self/ns/pid'),
      hostname,
    ].map((read) => {
      try {
        return read()
      } catch {
        return '' // not on Linux
      }
    })
    known = createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 8)
  }
  return known
}

/** Creates a temporary directory in `parent`, and removes those left by killed processes. @returns its path */
export async function createTemporary(parent: string): Promise<string> {
  await removeLeftovers(parent)
  return await mkdtemp(join(parent, `${PREFIX}${machine()}-${process.pid}-`))
}

async function removeLeftovers(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => [])
  for (const name of names) {
    const [, of, pid] = NAME.exec(name) ?? []
    if (of === undefined) continue
    const path = join(parent, name)
    try {
      const found = await lstat(path)
      if (!found.isDirectory() || found.uid !== process.geteuid?.()) continue
      const isLeft = of === machine() ? !isAlive(Number(pid)) : Date.now() - found.mtimeMs > DAY
      if (isLeft) await rm(path, { recursive: true, force: true })
    } catch {
      // It was removed meanwhile, or belongs to another user. It does no harm.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) !== 'ESRCH'
  }
}
