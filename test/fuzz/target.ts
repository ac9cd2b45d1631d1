/** The interface of the targets of `npm run fuzz`, and what they have in common. */
import { inspect, isDeepStrictEqual } from 'node:util'
import { encodeUtf8 } from '../../src/bytes.ts'
import { OstreeError } from '../../src/errors.ts'
import type { Codec } from '../../src/gvariant/index.ts'

/** A decoder or reader that meets bytes of unknown origin. */
export interface FuzzTarget {
  readonly name: string
  /** Sound inputs. Each is tried as it is before changed ones are. */
  readonly seeds: readonly Uint8Array[]
  /**
   * Reads an input. Errors of the library are expected, all others are faults: an error of JavaScript, and that of a rule
   * about the result, such as that encoding a decoded value gives the input.
   */
  run(input: Uint8Array): unknown
  /** Matches the messages of errors of other classes that the function documents. */
  readonly expected?: RegExp
  /** Repairs what a change of bytes breaks first of all, such as the checksum of a header. Used for a half of the inputs. */
  readonly seal?: (input: Uint8Array) => Uint8Array
  /** Whether the inputs are JSON, of which a half is changed as such. */
  readonly json?: boolean
  /** How many inputs are tried where others get one: below 1 for targets that are slow. Default 1. */
  readonly share?: number
  /** Runs before the process ends. */
  readonly end?: () => void
}

/** The broken rule about a result. */
export class RuleError extends Error {}

/** @throws {RuleError} unless `holds` */
export function rule(holds: boolean, what: string): void {
  if (!holds) throw new RuleError(what)
}

/** @throws {RuleError} if the arrays differ */
export function requireEqual(actual: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(actual, expected) === 0) return
  const shown = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(0, 2000)).toString('base64')
  throw new RuleError(`${what}: ${shown(actual)} in place of ${shown(expected)}`)
}

/**
 * Requires that encoding a decoded value gives bytes that decode to the same value. (The bytes may differ: GLib takes an empty
 * buffer for the normal form of a tuple of arrays, and names of attributes end at a NUL.)
 */
export function requireRoundTrip<T>(codec: Codec<T>, value: T): void {
  const again = codec.decode(codec.encode(value))
  rule(
    isDeepStrictEqual(again, value),
    `${inspect(value, { depth: 5 })} is read back as ${inspect(again, { depth: 5 })}`,
  )
}

/** Decodes base64. */
export function base64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

/** Encodes texts as UTF-8. */
export function texts(...all: string[]): Uint8Array[] {
  return all.map(encodeUtf8)
}

/** Returns a target's `run` for a function of text. Bytes that are not UTF-8 become U+FFFD. */
export function ofText(run: (text: string) => unknown): (input: Uint8Array) => unknown {
  return (input) => run(new TextDecoder().decode(input))
}

/** Runs one of several parsers of an input. Its errors of the library do not stop the others. */
export function orTyped<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    return undefined
  }
}

/** Does the same for a parser that is asynchronous. */
export async function orTypedLater<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    return undefined
  }
}
