/**
 * Compiles a pattern to a nondeterministic finite automaton (Thompson's construction).
 *
 * ```
 * BYTE b → next      SET s → next      consumes one byte
 * SPLIT → next, other                  continues with both
 * START → next       END → next        continues only at the start, or the end, of the text
 * MATCH
 * ```
 */

import { LimitError } from '../errors.ts'
import type { ByteSet, PatternNode } from './pattern.ts'

/**
 * States of one pattern; a counted group is repeated as often as it is counted. The longest in use have some hundred.
 */
export const MAX_PATTERN_STATES = 4000

/**
 * Syntax nodes compiled per pattern, repetitions included: nodes that match the empty text add no state, but take time.
 */
const MAX_EMITTED = 4 * MAX_PATTERN_STATES

export const OP_BYTE = 0
export const OP_SET = 1
export const OP_SPLIT = 2
export const OP_START = 3
export const OP_END = 4
export const OP_MATCH = 5

/** A compiled pattern; the arrays have one element per state. */
export interface Program {
  readonly ops: Uint8Array
  /** The byte of BYTE, the index into `sets` of SET, the second successor of SPLIT. */
  readonly arguments: Int32Array
  readonly next: Int32Array
  readonly sets: readonly ByteSet[]
  readonly start: number
}

/** Compiles a syntax tree. @throws {LimitError} when it needs more than MAX_PATTERN_STATES states */
export function compilePattern(pattern: PatternNode): Program {
  const builder = new ProgramBuilder()
  const start = builder.emit(pattern, builder.add(OP_MATCH, 0, 0))
  return builder.finish(start)
}

class ProgramBuilder {
  readonly #ops: number[] = []
  readonly #arguments: number[] = []
  readonly #next: number[] = []
  readonly #sets: ByteSet[] = []
  #emitted = 0

  finish(start: number): Program {
    return {
      ops: Uint8Array.from(this.#ops),
      arguments: Int32Array.from(this.#arguments),
      next: Int32Array.from(this.#next),
      sets: this.#sets,
      start,
    }
  }

  add(op: number, argument: number, next: number): number {
    if (this.#ops.length >= MAX_PATTERN_STATES) throw new LimitError('states of a pattern', MAX_PATTERN_STATES)
    this.#ops.push(op)
    this.#arguments.push(argument)
    this.#next.push(next)
    return this.#ops.length - 1
  }

  /** Adds the states of `node`, last one first. @returns the first state of `node`, which continues at state `next` */
  emit(node: PatternNode, next: number): number {
    if (++this.#emitted > MAX_EMITTED) throw new LimitError('states of a pattern', MAX_PATTERN_STATES)
    switch (node.kind) {
      case 'byte':
        return this.add(OP_BYTE, node.byte, next)
      case 'set':
        return this.add(OP_SET, this.#sets.push(node.set) - 1, next)
      case 'start':
        return this.add(OP_START, 0, next)
      case 'end':
        return this.add(OP_END, 0, next)
      case 'sequence':
        return node.of.reduceRight((after, part) => this.emit(part, after), next)
      case 'choice':
        return node.of
          .map((part) => this.emit(part, next))
          .reduceRight((other, begin) => this.add(OP_SPLIT, other, begin))
      case 'repeat':
        return this.#repeat(node.of, node.min, node.max, next)
    }
  }

  #repeat(of: PatternNode, min: number, max: number, next: number): number {
    let begin = next
    if (max === Number.POSITIVE_INFINITY) {
      begin = this.add(OP_SPLIT, next, 0)
      this.#next[begin] = this.emit(of, begin)
    } else {
      for (let i = min; i < max; i++) begin = this.add(OP_SPLIT, next, this.emit(of, begin))
    }
    for (let i = 0; i < min; i++) begin = this.emit(of, begin)
    return begin
  }
}
