/** What is compared: this library with its stores, other programs, and the least work that any of them has to do. */
import type { Input } from '../inputs/input.ts'

export type ContenderKind = 'store' | 'floor' | 'peer'

/** Something that processes an input. */
export interface Contender {
  readonly name: string
  readonly kind: ContenderKind
  /** Returns a program that makes the target ready, which is not measured. */
  prepare?(input: Input, target: string): readonly string[] | undefined
  /** Returns the program that is measured. @param target a path at which nothing exists */
  command(input: Input, target: string): readonly string[]
  /** Returns a program that prints the seconds of each stage as JSON. */
  stages?(input: Input, target: string): readonly string[]
}
