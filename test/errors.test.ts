/** Errors of the library compared with those of the engine: in inspectors, structured cloning and chains of causes. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect, types } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Checksum } from '../src/bytes.ts'
import { ShownUsageError } from '../src/cli/command.ts'
import { RegistryError } from '../src/container/registry/errors.ts'
import {
  ChecksumMismatchError,
  CompressionError,
  ConflictError,
  DeniedError,
  DigestMismatchError,
  FetchError,
  FormatError,
  InvalidNameError,
  IoError,
  LimitError,
  NotFoundError,
  ObjectNotFoundError,
  OstreeError,
  PathNotFoundError,
  ReadOnlyError,
  RefNotFoundError,
  RepoLockedError,
  TarFormatError,
  UnsupportedError,
  UsageError,
  withContext,
} from '../src/errors.ts'
import { GVariantTextError, GVariantTypeError, GVariantValueError } from '../src/gvariant/index.ts'

const src = fileURLToPath(new URL('../src', import.meta.url))
const sum = 'a'.repeat(64) as Checksum
const cause = new Error('below')

/** An error of every class that extends OstreeError. */
const SAMPLES: Readonly<Record<string, OstreeError>> = {
  ObjectNotFoundError: new ObjectNotFoundError(`${sum}.file`, { cause }),
  RefNotFoundError: new RefNotFoundError('main'),
  PathNotFoundError: new PathNotFoundError('/etc', undefined, { cause }),
  NotFoundError: new NotFoundError('key', 'No such key'),
  ChecksumMismatchError: new ChecksumMismatchError('file', sum, 'b'.repeat(64) as Checksum),
  DigestMismatchError: new DigestMismatchError('size', 'sha256:0', 5, 6),
  FormatError: new FormatError('config', 'no group', { cause }),
  TarFormatError: new TarFormatError('bad header', 512, 'usr/bin'),
  CompressionError: new CompressionError('gzip', 'unexpected end of file', 7),
  LimitError: new LimitError('xattrs', 10),
  InvalidNameError: new InvalidNameError('a//b', 'Invalid ref'),
  UsageError: new UsageError('REV must be specified', 'REV'),
  UnsupportedError: new UnsupportedError('GPG', 'not here'),
  RepoLockedError: new RepoLockedError('exclusive'),
  ConflictError: new ConflictError('ref', 'exists'),
  ReadOnlyError: new ReadOnlyError('repo', 'cannot be written'),
  DeniedError: new DeniedError('policy', 'rejected'),
  FetchError: new FetchError('http://host/config', 'Server returned HTTP 500', { status: 500, cause }),
  IoError: new IoError('No space left on device', 'ENOSPC', '/repo'),
  GVariantTypeError: new GVariantTypeError('(('),
  GVariantValueError: new GVariantValueError('u', -1, 'out of range'),
  GVariantTextError: new GVariantTextError('(', '0-1', 'expected value'),
  RegistryError: new RegistryError('denied', { registry: 'quay.io', repository: 'a/b', what: '1' }, 'denied (403)', {
    status: 403,
    cause,
  }),
  ShownUsageError: new ShownUsageError('Unknown option --x', 'Usage: …'),
}
const samples = Object.entries(SAMPLES).map(([className, error]) => ({ className, error }))

/** Names of all classes below `src` that extend `OstreeError`, directly or not. */
function family(): string[] {
  const parents = new Map<string, string>()
  for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    for (const [, name = '', parent = ''] of readFileSync(join(src, file), 'utf8').matchAll(
      /\bclass (\w+) extends (\w+)/g,
    )) {
      parents.set(name, parent)
    }
  }
  const isMember = (name: string | undefined): boolean =>
    name === 'OstreeError' || (name !== undefined && isMember(parents.get(name)))
  return [...parents.keys()].filter((name) => name !== 'OstreeError' && isMember(name))
}

function firstLine(error: Error): string {
  return (error.stack ?? '').split('\n    at ')[0] ?? ''
}

test('every class that extends OstreeError has a sample in this file', () => {
  expect(family().length).toBeGreaterThan(20)
  expect(Object.keys(SAMPLES).sort()).toEqual(family().sort())
  for (const { className, error } of samples) expect(error.constructor.name).toBe(className)
})

describe.each(samples)('$className', ({ className, error }) => {
  const wrapped = withContext('Importing', error)

  test('an error has the name of its class, also in the stack', () => {
    expect(error.name).toBe(className === 'ShownUsageError' ? 'UsageError' : className)
    expect(firstLine(error)).toBe(`${error.name}: ${error.message}`)
  })

  test('an error with another message has the same class and fields', () => {
    expect(wrapped).not.toBe(error)
    expect(wrapped.constructor).toBe(error.constructor)
    expect(wrapped).toBeInstanceOf(OstreeError)
    expect({ ...wrapped }).toEqual({ ...error })
    expect(wrapped).toMatchObject({ name: error.name, code: error.code, data: error.data })
    expect(wrapped.message).toBe(`Importing: ${error.message}`)
  })

  test('an error with another message has the original as its cause', () => {
    expect(wrapped.cause).toBe(error)
    expect(error.message.startsWith('Importing')).toBe(false)
    expect(Object.keys(wrapped)).not.toContain('cause')
  })

  test('an error with another message is an error for the engine', () => {
    expect(types.isNativeError(wrapped)).toBe(true)
    expect(Object.prototype.toString.call(wrapped)).toBe('[object Error]')
    expect(inspect(wrapped)).toContain(`${error.name}: Importing: ${error.message}`)
  })

  test('the stack of an error with another message starts with the message and leads to the caller', () => {
    expect(firstLine(wrapped)).toBe(`${error.name}: Importing: ${error.message}`)
    expect(wrapped.stack).not.toContain('withMessage')
    expect(wrapped.stack).toContain('errors.test.ts')
  })

  test('structured cloning keeps the message, stack and cause', () => {
    const clone = structuredClone(wrapped)
    expect(types.isNativeError(clone)).toBe(true)
    expect(clone.message).toBe(wrapped.message)
    expect(clone.stack).toBe(wrapped.stack)
    expect((clone.cause as Error).message).toBe(error.message)
    // Structured cloning keeps only the names of built-in classes.
    expect(clone.name).toBe('Error')
    expect(firstLine(clone).startsWith(`${error.name}: `)).toBe(true)
  })
})

describe('withContext', () => {
  test('nested calls give a cause for each step', () => {
    const inner = new IoError('openat: No such file or directory', 'ENOENT', 'config')
    const middle = withContext('opening repo', inner)
    const outer = withContext('Pulling', middle)
    expect(outer.message).toBe('Pulling: opening repo: openat: No such file or directory')
    expect(firstLine(outer)).toBe(`IoError: ${outer.message}`)
    expect(outer.cause).toBe(middle)
    expect(middle.cause).toBe(inner)
    expect(outer.data).toEqual({ errno: 'ENOENT', path: 'config' })
  })

  test('the cause of the original error is the cause of the cause', () => {
    const error = new FormatError('config', 'no group', { cause })
    expect((withContext('x', error).cause as Error).cause).toBe(cause)
  })

  test('an error that is not an OstreeError is returned as it is', () => {
    for (const other of [new TypeError('a bug'), new DOMException('aborted', 'AbortError'), 'text', undefined]) {
      expect(withContext('Importing', other)).toBe(other)
    }
  })
})

test('withMessage without options returns an error without a cause', () => {
  const copy = new FormatError('config', 'no group', { cause }).withMessage('no key')
  expect(copy.message).toBe('no key')
  expect(Object.hasOwn(copy, 'cause')).toBe(false)
})
