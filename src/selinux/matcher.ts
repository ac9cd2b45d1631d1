/**
 * Runs a pattern over bytes in time linear in their number, whatever the pattern: sets of states are followed all at
 * once, and the sets met are remembered as states of their own, with the way each byte leads from them.
 */

import { LimitError } from '../errors.ts'
import { OP_BYTE, OP_END, OP_MATCH, OP_SET, OP_SPLIT, OP_START, type Program } from './program.ts'

/** Sets remembered of one pattern; when there are more, all are forgotten. */
const MAX_REMEMBERED = 256

/** Bytes read, by all patterns: a minute or two. Labelling a system of 100 000 files takes a hundredth. */
export const MAX_MATCH_WORK: number = 2 ** 33

/** What a state costs that is looked at for the first time, in bytes read. */
const STATE_WORK = 32

/** Shared by the patterns of one policy. */
export class MatchBudget {
  #left: number

  constructor(work: number = MAX_MATCH_WORK) {
    this.#left = work
  }

  /** @throws {LimitError} */
  spend(work: number): void {
    this.#left -= work
    if (this.#left < 0) throw new LimitError('work of matching file contexts', MAX_MATCH_WORK)
  }
}

interface State {
  /** Consuming states of the program. */
  readonly states: Int32Array
  /** By class of byte; undefined while nobody went there. */
  readonly next: (State | undefined)[]
  /** Whatever comes, it matches. */
  readonly matched: boolean
  /** It matches if nothing comes. */
  readonly matchedAtEnd: boolean
}

export class Matcher {
  readonly #program: Program
  readonly #budget: MatchBudget
  /** Bytes no part of the program tells apart share a class. */
  readonly #classes: Uint8Array
  /** A byte of each class. */
  readonly #samples: readonly number[]
  readonly #first: State
  #remembered = new Map<string, State>()

  constructor(program: Program, budget: MatchBudget = new MatchBudget()) {
    this.#program = program
    this.#budget = budget
    const { classes, samples } = byteClasses(program)
    this.#classes = classes
    this.#samples = samples
    this.#first = this.#state([program.start], true)
  }

  /** Whether the pattern matches anywhere, as PCRE looks for it. */
  matches(bytes: Uint8Array): boolean {
    this.#budget.spend(bytes.length + 1)
    const last = bytes.length - 1
    let state = this.#first
    for (let i = 0; i <= last; i++) {
      if (state.matched) return true
      if (i === last && bytes[i] === NEWLINE && state.matchedAtEnd) return true
      state = this.#step(state, this.#classes[bytes[i] as number] as number)
      if (state.states.length === 0 && !state.matched && !state.matchedAtEnd) return false
    }
    return state.matched || state.matchedAtEnd
  }

  #step(state: State, kind: number): State {
    const known = state.next[kind]
    if (known !== undefined) return known
    const { ops, arguments: values, next, sets, start } = this.#program
    const byte = this.#samples[kind] as number
    // A match may begin at any byte; where the pattern insists on the start, this leads nowhere.
    const targets = [start]
    for (const at of state.states) {
      const value = values[at] as number
      if (ops[at] === OP_BYTE ? value === byte : sets[value]?.[byte] === 1) targets.push(next[at] as number)
    }
    const found = this.#state(targets, false)
    state.next[kind] = found
    return found
  }

  /** The states reached from `from` without a byte. */
  #state(from: readonly number[], atStart: boolean): State {
    const consuming = new Set<number>()
    const ends: number[] = []
    const matched = this.#close(from, atStart, false, consuming, ends)
    const matchedAtEnd = matched || this.#close(ends, atStart, true, new Set(), [])
    const states = Int32Array.from(consuming).sort()
    const key = `${Number(matched)}${Number(matchedAtEnd)}${states.join()}`
    const known = this.#remembered.get(key)
    if (known !== undefined) return known
    if (this.#remembered.size >= MAX_REMEMBERED) {
      this.#remembered = new Map()
      this.#first.next.fill(undefined)
    }
    const state = { states, next: new Array(this.#samples.length), matched, matchedAtEnd }
    this.#remembered.set(key, state)
    return state
  }

  #close(from: readonly number[], atStart: boolean, atEnd: boolean, consuming: Set<number>, ends: number[]): boolean {
    const { ops, arguments: values, next } = this.#program
    const seen = new Set(from)
    const waiting = [...from]
    let matched = false
    const visit = (at: number) => {
      if (seen.has(at)) return
      seen.add(at)
      waiting.push(at)
    }
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const op = ops[at]
      if (op === OP_BYTE || op === OP_SET) consuming.add(at)
      else if (op === OP_MATCH) matched = true
      else if (op === OP_END && !atEnd) ends.push(next[at] as number)
      else if (op !== OP_START || atStart) visit(next[at] as number)
      if (op === OP_SPLIT) visit(values[at] as number)
    }
    this.#budget.spend(seen.size * STATE_WORK)
    return matched
  }
}

const NEWLINE = 0x0a

function byteClasses({ ops, arguments: values, sets }: Program): { classes: Uint8Array; samples: number[] } {
  const keys: string[] = new Array(256).fill('')
  for (const set of new Set(sets)) for (let byte = 0; byte < 256; byte++) keys[byte] = `${keys[byte]}${set[byte]}`
  for (const [at, op] of ops.entries()) if (op === OP_BYTE) keys[values[at] as number] = `byte ${values[at]}`
  const classes = new Uint8Array(256)
  const samples: number[] = []
  const known = new Map<string, number>()
  for (const [byte, key] of keys.entries()) {
    const kind = known.get(key) ?? samples.push(byte) - 1
    known.set(key, kind)
    classes[byte] = kind
  }
  return { classes, samples }
}
