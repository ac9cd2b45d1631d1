/**
 * Lines of a file_contexts file.
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

/** Lines of all files of a policy. Fedora's has some 6000. */
export const MAX_SPECS = 65_536
/** Characters of a pattern. */
export const MAX_PATTERN_LENGTH = 4096

/** What a line says. */
export interface Spec {
  readonly pattern: string
  /** S_IFMT bits of the files it is for; 0 for all. */
  readonly type: number
  /** `undefined` of `<<none>>`: such a file gets no label. */
  readonly context: string | undefined
  /** The first directory, where it is plain text: a path in another cannot match. */
  readonly stem: string | undefined
  /** No character of a pattern's own: compared before all patterns. */
  readonly isExact: boolean
  /** Several patterns, of which only the first is bound to the start of the path, and only the last to its end. */
  readonly alternates: boolean
}

/** @throws {FormatError} in libselinux's words; {LimitError} */
export function parseSpecs(text: string, file: string): Spec[] {
  const specs: Spec[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const wrong = (reason: string) => new FormatError(file, `${file}:  line ${index + 1} ${reason}`)
    const trimmed = line.replace(/^[\t-\r ]+/, '')
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const [pattern, second, third] = trimmed.split(/[\t-\r ]+/).filter((field) => field !== '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what ASCII is
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

/** libselinux finds out when it first comes to the line, and then knows no label; here nothing is written before. */
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

/** The pattern as it is matched: the anchors stand before and behind the text, whatever that is. */
export function anchored(pattern: string): PatternNode {
  return parsePattern(`^${pattern}$`)
}

const META = '.^$?*+|[({'

/** Characters before the first that is a pattern's own; one behind a backslash never is. */
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
