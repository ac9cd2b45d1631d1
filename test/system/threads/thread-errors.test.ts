/** Errors sent from one thread to another. */
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import * as errors from '../../../src/errors.ts'
import { GVariantTypeError } from '../../../src/gvariant/index.ts'
import { type PackedError, packError, unpackError } from '../../../src/system/threads/thread-errors.ts'

const { FormatError, IoError, OstreeError, UnsupportedError, withContext } = errors

/** Sends an error through a port. @returns the error at the other end */
function sent(error: unknown): errors.OstreeError {
  const { port1, port2 } = new MessageChannel()
  port1.postMessage(packError(error))
  const received = receiveMessageOnPort(port2)?.message as PackedError
  port1.close()
  return unpackError(received)
}

/** Every class that src/errors.ts exports. */
const classes = Object.entries<unknown>(errors).filter(
  ([, value]) => typeof value === 'function' && value.prototype instanceof OstreeError,
) as [string, new (...details: unknown[]) => errors.OstreeError][]

describe('errors that are sent between threads', () => {
  test.each(classes)('a %s has the same class, fields and stack', (name, Class) => {
    const error = new Class('gzip', 'zstd', 'text', 7)
    const other = sent(error)
    expect(other).toBeInstanceOf(Class)
    expect(other.constructor).toBe(Class)
    expect(other.name).toBe(name)
    expect({ ...other }).toEqual({ ...error })
    expect([other.message, other.stack]).toEqual([error.message, error.stack])
  })

  test('an error keeps its causes, also those of other classes', () => {
    const error = withContext('Writing content object', new UnsupportedError('xattrs', 'no xattrs here'))
    const { cause } = sent(error)
    expect(cause).toBeInstanceOf(UnsupportedError)
    expect((cause as Error).message).toBe('no xattrs here')

    const below = new RangeError('out of range')
    const format = sent(new FormatError('header', 'too long', { cause: below }))
    expect(format.cause).toMatchObject({ name: 'RangeError', message: 'out of range', stack: below.stack })
  })

  test('an error that is not an OstreeError becomes the cause of an IoError', () => {
    const bug = new TypeError('x is not a function')
    const other = sent(bug)
    expect(other).toBeInstanceOf(IoError)
    expect(other).toMatchObject({ message: 'TypeError: x is not a function', data: { errno: 'EIO' } })
    expect(other.cause).toMatchObject({ name: 'TypeError', message: bug.message, stack: bug.stack })
    expect(sent('some text')).toMatchObject({ name: 'IoError', message: 'Error: some text' })
  })

  test('an error with fields that cannot be cloned, or with the name of another class, becomes the cause of an IoError', () => {
    const type = Object.assign(new GVariantTypeError('(('), { callback: () => {} })
    expect(sent(type)).toMatchObject({ name: 'IoError', cause: { name: 'GVariantTypeError', message: type.message } })
    const impostor = Object.assign(new Error('not ours'), { name: 'FormatError', data: 5, callback: () => {} })
    expect(sent(impostor)).toMatchObject({ name: 'IoError', data: { errno: 'EIO' }, cause: { name: 'FormatError' } })
  })
})
