/**
 * Runs a pattern over bytes in time linear in their number, for every pattern: all states of the automaton are followed
 * at once, and each set of states met is cached with its transitions (a DFA built lazily from the NFA).
 */

import { LimitError } from '../errors.ts'
import { OP_BYTE, OP_END, OP_MATCH, OP_SET, OP_SPLIT, OP_START, type Program } from './program.ts'

/** State sets cached per pattern; the cache is cleared when it is full. */
const MAX_REMEMBERED = 256

/**
 * Default work limit of a policy: bytes that all its patterns together may read, one to two minutes of work. Labelling
 * a system of 100 000 files takes a hundredth of it.
 */
export const MAX_MATCH_WORK: number = 2 ** 33

/** Cost of visiting a state while building a set, in bytes read. */
const STATE_WORK = 32

/** Remaining matching work, shared by the patterns of one policy. */
export class MatchBudget {
  #left: number

  constructor(work: number = MAX_MATCH_WORK) {
    this.#left = work
  }

  /** Subtracts `work`, in bytes read. @throws {LimitError} when the budget is used up */
  spend(work: number): void {
    this.#left -= work
    if (this.#left < 0) throw new LimitError('work of matching file contexts', MAX_MATCH_WORK)
  }
}

interface State {
  /** States of the program that consume a byte. */
  readonly states: Int32Array
  /** Successor by byte class; undefined until it is first needed. */
  readonly next: (State | undefined)[]
  /** The pattern has matched, whatever follows. */
  readonly matched: boolean
  /** The pattern matches if the text ends here. */
  readonly matchedAtEnd: boolean
}

/** Matches one compiled pattern against byte strings. */
export class Matcher {
  readonly #program: Program
  readonly #budget: MatchBudget
  /** Class of each byte; bytes that the program never distinguishes share a class. */
  readonly #classes: Uint8Array
  /** One byte of each class. */
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

  /**
   * Tests whether the pattern matches anywhere in `bytes`, as PCRE does.
   * @throws {LimitError} when the budget is used up
   */
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
    // A match may begin at any byte; a pattern with a start anchor cannot continue from here.
    const targets = [start]
    for (const at of state.states) {
      const value = values[at] as number
      if (ops[at] === OP_BYTE ? value === byte : sets[value]?.[byte] === 1) targets.push(next[at] as number)
    }
    const found = this.#state(targets, false)
    state.next[kind] = found
    return found
  }

  /** Returns the set of states reached from `from` without consuming a byte. */
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
