/** Counts system calls by `strace -c -f`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Input } from '../inputs/input.ts'
import type { Contender } from './contender.ts'
import { isFailedRun, measure } from './processes.ts'

/** System calls of one run. */
export interface SystemCalls {
  readonly total: number
  /** The most frequent ones, most frequent first. */
  readonly most: readonly (readonly [name: string, calls: number])[]
}

const MOST = 8

/**
 * Runs a contender once more and counts.
 * @param folder an empty folder
 * @returns `undefined` when strace fails, as where processes may not be traced
 */
export async function countSystemCalls(
  contender: Contender,
  input: Input,
  folder: string,
  signal: AbortSignal,
): Promise<SystemCalls | undefined> {
  const target = join(folder, 'target')
  const prepare = contender.prepare?.(input, target)
  if (prepare !== undefined) await measure(prepare, signal, folder)
  const report = join(folder, 'strace')
  try {
    await measure(['strace', '-f', '-c', '-o', report, ...contender.command(input, target)], signal, folder)
  } catch (error) {
    if (isFailedRun(error)) return undefined
    throw error
  }
  return parseStrace(readFileSync(report, 'latin1'))
}

/** Parses the table of `strace -c`. `undefined` if it has no rows. */
export function parseStrace(text: string): SystemCalls | undefined {
  const rows: [string, number][] = []
  for (const line of text.split('\n')) {
    // % time, seconds, usecs/call, calls, errors (may be missing), name
    const words = line.trim().split(/\s+/)
    const name = words.at(-1) ?? ''
    const calls = Number(words[3])
    if (words.length < 5 || !/^[a-z]\w*$/.test(name) || name === 'total' || Number.isNaN(calls)) continue
    rows.push([name, calls])
  }
  if (rows.length === 0) return undefined
  rows.sort(([, a], [, b]) => b - a)
  return { total: rows.reduce((sum, [, calls]) => sum + calls, 0), most: rows.slice(0, MOST) }
}
