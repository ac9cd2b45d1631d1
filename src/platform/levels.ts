/** Levels of compression. */

import { UsageError } from '../errors.ts'
import type { CompressionKind } from './interface.ts'
import { DEFLATE_LEVEL, ZSTD_LEVEL } from './limits.ts'

/** The smallest and the largest level of each kind that every platform accepts. At 0 zstd takes its default. */
const LEVELS: Readonly<Record<CompressionKind, readonly [smallest: number, largest: number]>> = {
  gzip: [0, 9],
  'deflate-raw': [0, 9],
  zstd: [0, 22],
}

/** Returns the level that zlib and zstd have by default. */
export function defaultLevel(kind: CompressionKind): number {
  return kind === 'zstd' ? ZSTD_LEVEL : DEFLATE_LEVEL
}

/** Checks a level of compression. @throws {UsageError} unless it is a whole number that the kind of compression has */
export function requireLevel(kind: CompressionKind, level: number): void {
  const levels = Object.hasOwn(LEVELS, kind) ? LEVELS[kind] : undefined
  if (levels === undefined) throw new UsageError(`Unknown compression: ${String(kind)}`, String(kind))
  const [smallest, largest] = levels
  if (Number.isInteger(level) && level >= smallest && level <= largest) return
  const expected = `a whole number from ${smallest} to ${largest}`
  throw new UsageError(`Invalid level of ${kind}: ${String(level)}: must be ${expected}`, String(level))
}
