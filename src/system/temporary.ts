/**
 * Directories of one's own, beside what is being written, and the removal of those that processes left behind which were
 * killed:
 *
 *     .tmp-ostree-ts-MACHINE-PID-XXXXXX
 *
 * MACHINE stands for this boot of this machine and its process ids, for a directory may be shared by several: of the
 * others only what is older than a day is taken for left behind, as ostree does with its own.
 */
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { errnoOf } from './errno.ts'

const PREFIX = '.tmp-ostree-ts-'
const NAME = /^\.tmp-ostree-ts-([0-9a-f]{8})-(\d{1,10})-\w{6}$/
/** Milliseconds. */
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

/** @returns its path; what was left behind in `parent` is gone by then */
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
      // Gone meanwhile, or not ours to remove: it is in nobody's way.
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
