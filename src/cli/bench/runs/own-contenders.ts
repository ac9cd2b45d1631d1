/** This library as a contender, and the floor, as processes of this program. */
import { readFileSync } from 'node:fs'
import type { ChildWork } from './child-work.ts'
import type { Contender } from './contender.ts'
import { isInstalled } from './peers.ts'
import type { StoreName } from './stores.ts'

/** Returns the program that does some work in a process of its own. */
function child(work: ChildWork): string[] {
  return [process.execPath, ...process.execArgv, process.argv[1] ?? '', 'bench', `--child=${JSON.stringify(work)}`]
}

/** Returns the import into a store. @param lanes layers at the same time; `null` for as many as an import uses by itself */
export function storeContender(store: StoreName, lanes: number | null): Contender {
  const contender: Contender = {
    name: store,
    kind: 'store',
    command: ({ image }, target) => child({ work: 'import', image, store, target, lanes }),
  }
  if (store === 'memory') return contender
  return { ...contender, stages: ({ image }, target) => child({ work: 'stages', image, store, target }) }
}

/** The least that an import has to do: gunzip, SHA-256 of the blob and of the tar, one write. On one processor. */
export const FLOOR: Contender = {
  name: 'floor',
  kind: 'floor',
  command({ layers }, target) {
    const command = child({ work: 'floor', blobs: layers.map(({ blob }) => blob), target })
    return isInstalled('taskset') ? ['taskset', '-c', firstProcessor(), ...command] : command
  },
}

/** The number of a processor that this process may use. */
function firstProcessor(): string {
  try {
    return /^Cpus_allowed_list:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'
  } catch {
    return '0'
  }
}
