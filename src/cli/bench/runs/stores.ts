/** The stores that can be measured. */
import { UsageError } from '../../../errors.ts'

export const STORES = ['sqlite', 'bare-user-only', 'bare-user', 'bare', 'archive', 'memory'] as const

export type StoreName = (typeof STORES)[number]

/** Stores that are measured unless others are asked for. */
export const DEFAULT_STORES: readonly StoreName[] = ['sqlite', 'bare-user-only', 'bare-user', 'archive']

/** Parses a name. @throws {UsageError} when there is no such store */
export function parseStore(text: string): StoreName {
  const store = STORES.find((name) => name === text)
  if (store === undefined) throw new UsageError(`Unknown store '${text}', expected ${STORES.join(', ')}`, 'store')
  return store
}

/** Returns the path of a store that is made at a target. */
export function storePath(store: StoreName, target: string): string {
  return store === 'sqlite' ? `${target}.sqlite` : target
}
