/**
 * Which label the file contexts of a policy give a path. All patterns are asked in turn, the last line first, those
 * without a character of a pattern's own before all others; the first that matches path and type of file has it.
 *
 * ```
 * path   //a//b/      slashes tidied: /a/b
 *        .subs        the last line whose first word is the path or a directory above: its second word instead
 *        .subs_dist   the same, once more
 * lines  file_contexts, .homedirs, .local: patterns, then exact ones
 * ```
 *
 * Source: libselinux 3.4, label_file.c (init, lookup_all, selabel_sub_key), label_file.h (sort_specs).
 */

import { encodeUtf8 } from '../bytes.ts'
import { MatchBudget, Matcher } from './matcher.ts'
import { compilePattern } from './program.ts'
import { anchored, literalLength, parseSpecs, type Spec } from './specs.ts'

const S_IFMT = 0o170000

/** Texts of the files that are there. */
export interface FileContextsTexts {
  readonly fileContexts: string
  readonly homedirs?: string | undefined
  readonly local?: string | undefined
  readonly subs?: string | undefined
  readonly subsDist?: string | undefined
}

export interface FileContextsOptions {
  /** Steps all look-ups together may take. Default MAX_MATCH_WORK. */
  readonly maxWork?: number | undefined
}

interface Substitution {
  readonly from: string
  readonly to: string
}

interface Entry {
  readonly spec: Spec
  /** What every path it matches ends with, but for a newline. Spares every other pattern its run. */
  readonly suffix: string
  matcher: Matcher | undefined
}

export class FileContexts {
  readonly #entries: Entry[]
  /** Entries by what every path they match begins with. */
  readonly #byPrefix = new Map<string, number[]>()
  readonly #prefixLengths: number[]
  readonly #subs: Substitution[]
  readonly #subsDist: Substitution[]
  readonly #budget: MatchBudget

  /** @throws {FormatError}, {UnsupportedError}, {LimitError} naming file and line: all patterns are read */
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
   * @param path absolute
   * @param mode full st_mode; only the type counts, and 0 is any
   * @returns the context, without a NUL at its end; `undefined` when the policy has none for it
   * @throws {LimitError} when all look-ups together took too long
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

  /** In the order they are asked. */
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

/** Text that every path begins with which the pattern matches; escaped characters end it, they are few. */
function fixedPrefix({ pattern, alternates }: Spec): string {
  if (alternates) return ''
  const backslash = pattern.indexOf('\\')
  const end = Math.min(literalLength(pattern), backslash < 0 ? pattern.length : backslash)
  // The last one may be counted, down to none at all.
  return '?*+{'.includes(pattern.charAt(end) || ' ') ? pattern.slice(0, Math.max(0, end - 1)) : pattern.slice(0, end)
}

/** Text that every path ends with which the pattern matches. */
function fixedSuffix({ pattern, alternates }: Spec): string {
  if (alternates) return ''
  const backslash = pattern.lastIndexOf('\\')
  // What is escaped may be a class or a number: only of punctuation it is sure where it ends.
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
