/**
 * Errors as messages between threads. Structured cloning would make a plain `Error` of every class and drop its `code`
 * and `data`, so errors travel as `PackedError` and are built again at the other end.
 */

import * as errors from '../../errors.ts'
import { IoError, OstreeError } from '../../errors.ts'

type ErrorClass = new (...details: never[]) => OstreeError

/** The classes of src/errors.ts by name. */
const CLASSES: ReadonlyMap<string, ErrorClass> = new Map(
  Object.entries<unknown>(errors).filter((entry): entry is [string, ErrorClass] => isErrorClass(entry[1])),
)

function isErrorClass(value: unknown): value is ErrorClass {
  return typeof value === 'function' && value.prototype instanceof OstreeError
}

/** An error as plain values. */
export interface PackedError {
  /** Name of its class. */
  readonly name: string
  readonly message: string
  readonly stack: string
  /** `code`, `data` and the other public fields. Absent for an error whose class is not one of src/errors.ts. */
  readonly fields?: Readonly<Record<string, unknown>>
  readonly cause?: PackedError
}

/** Describes `error` and its chain of causes. A value that is not an `Error` becomes one with its text as message. */
export function packError(error: unknown): PackedError {
  if (!(error instanceof Error)) return packError(new Error(String(error)))
  const { name, message, stack = '', cause } = error
  return {
    name,
    message,
    stack,
    // Errors of other classes may have fields that cannot be cloned.
    ...(error instanceof OstreeError && CLASSES.has(name) ? { fields: { ...error } } : {}),
    ...(cause === undefined ? {} : { cause: packError(cause) }),
  }
}

/**
 * Builds the error again: of the same class, with the same message, `code`, `data`, stack and causes.
 * @returns an `IoError` (`EIO`) with the error as its cause if its class is not one of src/errors.ts
 */
export function unpackError(packed: PackedError): OstreeError {
  const error = build(packed)
  return error instanceof OstreeError ? error : new IoError(String(error), 'EIO', undefined, { cause: error })
}

function build({ name, message, stack, fields, cause }: PackedError): Error {
  const options = cause === undefined ? {} : { cause: build(cause) }
  const known = fields && CLASSES.get(name)
  const error: Error = known ? Reflect.construct(Error, [message, options], known) : new Error(message, options)
  Object.assign(error, fields)
  Object.defineProperty(error, 'stack', hidden(stack))
  return known ? error : Object.defineProperty(error, 'name', hidden(name))
}

/** Describes a property that is not enumerable, as `stack` and `message` of an error that an engine creates. */
function hidden(value: string): PropertyDescriptor {
  return { value, writable: true, configurable: true, enumerable: false }
}
