/**
 * Looks up the SELinux label of a path in the file contexts of a policy. Lines without pattern characters are compared
 * first, then all patterns, each group from the last line to the first. The first line that matches the path and the
 * file type gives the label.
 *
 * ```
 * path   //a//b/      repeated and final slashes are removed: /a/b
 *        .subs        the last line whose first word is the path or a directory above it: replaced by its second word
 *        .subs_dist   the same, applied to the result
 * lines  file_contexts, .homedirs, .local: patterns, then exact lines
 * ```
 *
 * Source: libselinux 3.4, label_file.c (init, lookup_all, selabel_sub_key), label_file.h (sort_specs).
 */

import { encodeUtf8 } from '../bytes.ts'
import { MatchBudget, Matcher } from './matcher.ts'
import { compilePattern } from './program.ts'
import { anchored, literalLength, parseSpecs, type Spec } from './specs.ts'

const S_IFMT = 0o170000

/** Contents of the files of one policy; `undefined` for a file that does not exist. */
export interface FileContextsTexts {
  readonly fileContexts: string
  readonly homedirs?: string | undefined
  readonly local?: string | undefined
  readonly subs?: string | undefined
  readonly subsDist?: string | undefined
}

/** Limits of a `FileContexts`. */
export interface FileContextsOptions {
  /** Matching work that all look-ups together may take, about one step per byte and pattern. Default MAX_MATCH_WORK. */
  readonly maxWork?: number | undefined
}

interface Substitution {
  readonly from: string
  readonly to: string
}

interface Entry {
  readonly spec: Spec
  /**
   * Fixed text that ends every path the pattern matches (a newline may follow it). Other paths need not run the
   * pattern.
   */
  readonly suffix: string
  matcher: Matcher | undefined
}

/** The file contexts of one policy: maps paths to SELinux contexts, as libselinux does. */
export class FileContexts {
  readonly #entries: Entry[]
  /** Indexes of entries, by the fixed text that begins every path they match. */
  readonly #byPrefix = new Map<string, number[]>()
  readonly #prefixLengths: number[]
  readonly #subs: Substitution[]
  readonly #subsDist: Substitution[]
  readonly #budget: MatchBudget

  /**
   * Parses the files and every pattern in them.
   * @throws {FormatError} when a line or its pattern is malformed; names file and line
   * @throws {UnsupportedError} when a pattern needs a back reference, look-around or the like
   * @throws {LimitError} when there are too many lines, or a pattern is too long or nested too deeply
   */
  constructor(texts: FileContextsTexts, options: FileContextsOptions = {}) {
    const specs = [
      ...parseSpecs(texts.fileContexts, 'file_contexts'),
      ...parseSpecs(texts.homedirs ?? '', 'file_contexts.homedirs'),
      ...parseSpecs(texts.local ?? '', 'file_contexts.local'),
    ]
    const sorted = [...specs.filter(({ isExact }) => !isExact), ...specs.filter(({ isExact }) => isExact)]
    this.#entries = sorted.map((spec) => ({ spec, suffix: fixedSuffix(spec), matcher: undefined }))
    for (const [index, spec] of sorted.entries()) {
      const prefix = fixedPrefix(spec)
      const others = this.#byPrefix.get(prefix)
      if (others === undefined) this.#byPrefix.set(prefix, [index])
      else others.push(index)
    }
    this.#prefixLengths = [...new Set(Array.from(this.#byPrefix.keys(), ({ length }) => length))]
    this.#subs = parseSubstitutions(texts.subs ?? '')
    this.#subsDist = parseSubstitutions(texts.subsDist ?? '')
    this.#budget = new MatchBudget(options.maxWork)
  }

  /**
   * Finds the context of a path.
   * @param path absolute path
   * @param mode full st_mode, of which only the file type is compared; 0 matches any type
   * @returns the context, without a final NUL; `undefined` when the policy assigns none
   * @throws {LimitError} when the look-ups so far have used up `maxWork`
   */
  lookup(path: string, mode: number): string | undefined {
    const key = this.#substituted(tidied(path))
    const slash = key.indexOf('/', 1)
    const stem = slash < 0 ? undefined : key.slice(0, slash)
    const type = mode & S_IFMT
    let bytes: Uint8Array | undefined
    for (const index of this.#candidates(key)) {
      const entry = this.#entries[index] as Entry
      const { spec } = entry
      if (spec.stem !== undefined && spec.stem !== stem) continue
      if (type !== 0 && spec.type !== 0 && spec.type !== type) continue
      if (!key.endsWith(entry.suffix) && !key.endsWith('\n')) continue
      entry.matcher ??= new Matcher(compilePattern(anchored(spec.pattern)), this.#budget)
      bytes ??= encodeUtf8(key)
      if (entry.matcher.matches(bytes)) return spec.context
    }
    return undefined
  }

  /** Returns the indexes of entries whose prefix fits, in the order in which they are tried. */
  #candidates(key: string): number[] {
    const found: number[] = []
    for (const length of this.#prefixLengths) {
      if (length > key.length) continue
      const indexes = this.#byPrefix.get(key.slice(0, length))
      if (indexes !== undefined) for (const index of indexes) found.push(index)
    }
    this.#budget.spend(found.length)
    return found.sort((a, b) => b - a)
  }

  #substituted(key: string): string {
    const local = substitute(this.#subs, key)
    return substitute(this.#subsDist, local ?? key) ?? local ?? key
  }
}

function tidied(path: string): string {
  const single = path.replaceAll(/\/{2,}/g, '/')
  return single.length > 1 && single.endsWith('/') ? single.slice(0, -1) : single
}

/** Returns fixed text that begins every path the pattern matches; stops at the first escaped character. */
function fixedPrefix({ pattern, alternates }: Spec): string {
  if (alternates) return ''
  const backslash = pattern.indexOf('\\')
  const end = Math.min(literalLength(pattern), backslash < 0 ? pattern.length : backslash)
  // A quantifier applies to the last character, which may then be absent.
  return '?*+{'.includes(pattern.charAt(end) || ' ') ? pattern.slice(0, Math.max(0, end - 1)) : pattern.slice(0, end)
}

/** Returns fixed text that ends every path the pattern matches. */
function fixedSuffix({ pattern, alternates }: Spec): string {
  if (alternates) return ''
  const backslash = pattern.lastIndexOf('\\')
  // An escaped letter or digit may start a class or a number of unknown length; escaped punctuation is one character.
  if (backslash >= 0 && /[0-9A-Za-z]/.test(pattern.charAt(backslash + 1))) return ''
  return /[^.^$?*+|[\](){}\\]*$/.exec(pattern.slice(backslash < 0 ? 0 : backslash + 2))?.[0] ?? ''
}

function parseSubstitutions(text: string): Substitution[] {
  const substitutions: Substitution[] = []
  for (const line of text.split('\n')) {
    const [from = '', to] = line.split(/[\t-\r ]+/).filter((word) => word !== '')
    if (from !== '' && !from.startsWith('#') && to !== undefined) substitutions.push({ from, to })
  }
  return substitutions.reverse()
}

function substitute(substitutions: readonly Substitution[], path: string): string | undefined {
  for (const { from, to } of substitutions) {
    if (!path.startsWith(from)) continue
    const rest = path.slice(from.length)
    if (rest === '') return to
    if (rest.startsWith('/')) return to === '/' ? rest : to + rest
  }
  return undefined
}
