/**
 * Parses the lines of a file_contexts file.
 *
 * ```
 * # a comment
 * /opt/.+\.so(\.[^/]+)?   --   system_u:object_r:lib_t:s0
 * pattern                 type  context, or <<none>>
 * ```
 *
 * Source: libselinux 3.4, label_file.h (process_line, get_stem_from_spec, spec_hasMetaChars), label_support.c
 * (read_spec_entries).
 */

import { FormatError, LimitError, OstreeError } from '../errors.ts'
import { type PatternNode, parsePattern } from './pattern.ts'

/** Most lines in one file_contexts file. Fedora's policy has some 6000. */
export const MAX_SPECS = 65_536
/** Most characters in a pattern. */
export const MAX_PATTERN_LENGTH = 4096

/** One line of a file_contexts file. */
export interface Spec {
  readonly pattern: string
  /** S_IFMT bits of the file type the line applies to; 0 for all types. */
  readonly type: number
  /** `undefined` for `<<none>>`: such a file gets no label. */
  readonly context: string | undefined
  /** The first directory of the pattern, if it is plain text: a path in another directory cannot match. */
  readonly stem: string | undefined
  /** The pattern has no special characters: compared before all patterns. */
  readonly isExact: boolean
  /** The pattern has `|` outside groups: only the first branch is anchored at the start, only the last at the end. */
  readonly alternates: boolean
}

/**
 * Parses the text of one file.
 * @param file name used in error messages
 * @throws {FormatError} when a line is malformed, with libselinux's message
 * @throws {UnsupportedError} when a pattern needs a construct that this matcher does not support
 * @throws {LimitError} when there are too many lines, or a pattern is too long or nested too deeply
 */
export function parseSpecs(text: string, file: string): Spec[] {
  const specs: Spec[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const wrong = (reason: string) => new FormatError(file, `${file}:  line ${index + 1} ${reason}`)
    const trimmed = line.replace(/^[\t-\r ]+/, '')
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const [pattern, second, third] = trimmed.split(/[\t-\r ]+/).filter((field) => field !== '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII includes them
    if ([pattern, second, third].some((field) => field !== undefined && !/^[\x00-\x7f]*$/.test(field))) {
      throw wrong('error due to: Non-ASCII characters found')
    }
    if (pattern === undefined || second === undefined) throw wrong('is missing fields')
    const type = third === undefined ? 0 : FILE_TYPES[second]
    if (type === undefined) throw wrong(`has invalid file type ${second}`)
    if (specs.length >= MAX_SPECS) throw new LimitError('lines of file contexts', MAX_SPECS, undefined, file)
    const alternates = readPattern(pattern, file, wrong).kind === 'choice'
    const context = third ?? second
    const isExact = literalLength(pattern) === pattern.length
    specs.push({
      pattern,
      type,
      context: context === NONE ? undefined : context,
      stem: stemOf(pattern),
      isExact,
      alternates,
    })
  }
  return specs
}

const NONE = '<<none>>'

const FILE_TYPES: Readonly<Record<string, number>> = {
  '--': 0o100000,
  '-b': 0o060000,
  '-c': 0o020000,
  '-d': 0o040000,
  '-l': 0o120000,
  '-p': 0o010000,
  '-s': 0o140000,
}

/** Checks a pattern before anything is written. libselinux compiles it on first use, and then finds no label. */
function readPattern(pattern: string, file: string, wrong: (reason: string) => FormatError): PatternNode {
  if (pattern.length > MAX_PATTERN_LENGTH)
    throw new LimitError('length of a pattern', MAX_PATTERN_LENGTH, undefined, file)
  try {
    return anchored(pattern)
  } catch (error) {
    if (!(error instanceof OstreeError) || error.code !== 'corrupt') throw error
    throw wrong(`has invalid regex ${pattern}:  ${error.message}`)
  }
}

/**
 * Parses a pattern with its anchors, which libselinux puts around the text as it is: with `a|b` they apply to one
 * branch each.
 */
export function anchored(pattern: string): PatternNode {
  return parsePattern(`^${pattern}$`)
}

const META = '.^$?*+|[({'

/** Counts the characters before the first special one; an escaped character is not special. */
export function literalLength(pattern: string): number {
  for (let i = 0; i < pattern.length; i++) {
    if (META.includes(pattern.charAt(i))) return i
    if (pattern.charAt(i) === '\\') i++
  }
  return pattern.length
}

function stemOf(pattern: string): string | undefined {
  const slash = pattern.indexOf('/', 1)
  if (slash < 0) return undefined
  const stem = pattern.slice(0, slash)
  return [...stem].some((char) => META.includes(char)) ? undefined : stem
}
