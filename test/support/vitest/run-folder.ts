/**
 * One folder per run of the tests, for everything that the tests of the run store temporarily:
 *
 *     PARENT/ostree-ts-tests-NAMESPACE-PID-START-XXXXXX
 *
 * The name tells which process made it: START is when the process began, in clock ticks since the machine was started.
 * NAMESPACE stands for the machine, since when it runs, and the namespace of its process ids, because containers may
 * share a temporary directory. A folder whose process does not exist any more was left by a run that was killed.
 */
import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { removeFolder } from '../remove-folder.ts'

const PREFIX = 'ostree-ts-tests-'
const NAME = /^ostree-ts-tests-([0-9a-f]{8})-(\d+)-(\d+)-\w{6}$/
const DAY_IN_MILLISECONDS = 86_400_000

/** Creates a folder for this run in `parent`, and removes the folders of runs that were killed. */
export function createRunFolder(parent: string): string {
  mkdirSync(parent, { recursive: true })
  removeLeftFolders(parent)
  const path = mkdtempSync(join(parent, `${PREFIX}${namespace()}-${process.pid}-${startOf(process.pid) ?? 0}-`))
  // Some tests start programs as another user, who has to reach what is in there.
  chmodSync(path, 0o711)
  return path
}

function removeLeftFolders(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, owner, pid, start] = NAME.exec(name) ?? []
    if (owner === undefined) continue
    const path = join(parent, name)
    try {
      const stat = lstatSync(path)
      if (!stat.isDirectory() || stat.uid !== process.geteuid?.()) continue
      const isLeft =
        owner === namespace() ? startOf(Number(pid)) !== Number(start) : Date.now() - stat.mtimeMs > DAY_IN_MILLISECONDS
      if (isLeft) removeFolder(path)
    } catch {
      // Another run that began at the same time has removed it, or it cannot be removed.
    }
  }
}

/** Returns when a process began, `undefined` if it does not exist, and 0 where `/proc` does not tell. */
function startOf(pid: number): number | undefined {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined
  }
  try {
    // Field 22. The name of the program comes before, in parentheses, and may have any character in it.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  } catch {
    return 0
  }
}

function namespace(): string {
  const parts = [
    hostname,
    () => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'),
    () => readlinkSync('/proc/self/ns/pid'),
  ].map((read) => {
    try {
      return read()
    } catch {
      return '' // This is not Linux.
    }
  })
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 8)
}
