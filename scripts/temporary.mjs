/**
 * Temporary folders of scripts and benchmarks. They are removed when the process ends, also by a signal that it can catch;
 * what a process left that was killed is removed by the next one of the same kind.
 */
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

const REMOVAL = { recursive: true, force: true, maxRetries: 3 }
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }
const made = []

/**
 * Creates the folder `PREFIX-NAMESPACE-PID-START-XXXXXX`. NAMESPACE is the number of the namespace of process ids, since
 * containers may share a temporary directory; START is when the process began, in clock ticks since the machine was started.
 * @param prefix a path
 */
export function temporaryFolder(prefix) {
  removeLeft(dirname(prefix), basename(prefix))
  const path = mkdtempSync(`${prefix}-${namespace()}-${process.pid}-${startOf(process.pid) ?? 0}-`)
  if (made.length === 0) {
    process.on('exit', () => {
      for (const folder of made) rmSync(folder, REMOVAL)
    })
    for (const [signal, number] of Object.entries(SIGNALS)) process.on(signal, () => process.exit(128 + number))
  }
  made.push(path)
  return path
}

function removeLeft(parent, kind) {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(`${kind}-`)) continue
    const [, owner, pid, start] = /^(\d+)-(\d+)-(\d+)-\w{6}$/.exec(name.slice(kind.length + 1)) ?? []
    if (owner !== namespace() || startOf(Number(pid)) === Number(start)) continue
    const path = join(parent, name)
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory() && stat.uid === process.geteuid?.()) rmSync(path, REMOVAL)
  }
}

function namespace() {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'
  } catch {
    return '0'
  }
}

/** Returns when a process began; `undefined` if it does not exist, and 0 where `/proc` does not tell. */
function startOf(pid) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (error.code === 'ESRCH') return undefined
  }
  try {
    // Field 22. The name of the program comes before, in parentheses, and may have any character in it.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  } catch {
    return 0
  }
}
