/** Options shared by several commands, and helpers to read option values and files. */

import { readFileSync, writeFileSync } from 'node:fs'
import { decodeUtf8 } from '../bytes.ts'
import { FormatError, IoError, UnsupportedError, UsageError } from '../errors.ts'
import { errnoOf, errnoText, withIo } from '../system/errno.ts'
import { fsPath } from '../system/raw-path.ts'
import type { OptionTable } from './options.ts'

/** `--json`: print one JSON value instead of text, or one per line. */
export const JSON_OPTION = {
  json: { type: 'flag', added: true, help: 'Print JSON instead of text' },
} as const satisfies OptionTable

/** Rejects `--raw` together with `--json`, since raw output is not JSON. @throws {UsageError} when `raw` is set */
export function refuseRaw({ raw }: { readonly raw: boolean }): void {
  if (raw) throw new UsageError('Cannot specify both --raw and --json')
}

const YES = ['1', 'true', 'yes']
const NO = ['0', 'false', 'no', 'none']

/**
 * Parses the value of `--fsync=POLICY`.
 * @returns `undefined` when the option is absent: the repository's configuration decides
 * @throws {UsageError} `Invalid boolean argument 'X'` when it is not a boolean
 */
export function parseFsync(text: string | undefined): boolean | undefined {
  return parseBoolean('fsync', text)
}

/** `--exact-compression`: the library's option `exactCompression`. */
export const EXACT_COMPRESSION_OPTION = {
  'exact-compression': { type: 'string', arg: 'BOOL', help: 'Compress with exactly the bytes of zlib' },
} as const satisfies OptionTable

/**
 * Parses the value of an option that is a boolean.
 * @returns `undefined` when the option is absent
 * @throws {UsageError} `Invalid boolean argument 'X'` when it is not a boolean
 */
export function parseBoolean(option: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined
  const word = text.toLowerCase()
  if (YES.includes(word)) return true
  if (NO.includes(word)) return false
  throw new UsageError(`Invalid boolean argument '${text}'`, `--${option}`)
}

/**
 * Reads a text file.
 * @throws {IoError} `openat(PATH): REASON` when it cannot be opened, `REASON` when it cannot be read
 * @throws {FormatError} when it is not UTF-8
 */
export function readTextFile(path: string): string {
  const text = decodeUtf8(readFile(path))
  if (text === undefined) throw new FormatError(path, 'Invalid UTF-8')
  return text
}

/**
 * Reads a file.
 * @throws {IoError} `openat(PATH): REASON` when it cannot be opened, `REASON` when it cannot be read (a directory, too)
 */
export function readFile(path: string): Uint8Array {
  try {
    return readFileSync(fsPath(path))
  } catch (error) {
    const { syscall } = error as NodeJS.ErrnoException
    throw fileError(error, path, (reason) => (syscall === 'read' ? reason : `openat(${path}): ${reason}`))
  }
}

/**
 * Writes a file, replacing its content.
 * @param mode permissions of a file that does not exist yet, less the umask
 * @throws {IoError} `openat(PATH): REASON` when it cannot be opened, `write(PATH): REASON` when it cannot be written
 */
export function writeFile(path: string, content: string | Uint8Array, mode = 0o666): void {
  withIo(path, () => writeFileSync(fsPath(path), content, { mode }))
}

/**
 * Reads a file.
 * @param path a path or a file descriptor
 * @param message makes the error message from the reason, such as `No such file or directory`
 * @throws {IoError} when it cannot be read
 */
export function readBytes(path: string | number, message: (reason: string) => string): Uint8Array {
  // GIO has a file for the empty path too, with which nothing can be done.
  if (path === '') throw new IoError('Operation not supported', 'ENOTSUP', path)
  try {
    return readFileSync(typeof path === 'string' ? fsPath(path) : path)
  } catch (error) {
    throw fileError(error, String(path), message)
  }
}

/**
 * Converts a file system error of Node to an `IoError`; returns any other error unchanged.
 * @param message makes the error message from the reason in words and the errno name, such as `ENOENT`
 */
export function fileError(error: unknown, path: string, message: (reason: string, errno: string) => string): unknown {
  const errno = errnoOf(error)
  return errno === undefined ? error : new IoError(message(errnoText(errno), errno), errno, path, { cause: error })
}

/**
 * Refuses options that are accepted by the parser, and listed in the help, only because ostree has them.
 * @throws {UnsupportedError} `--NAME is not supported` for the first that is given
 */
export function refuseOptions(values: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  for (const name of names) {
    const value = values[name]
    if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) continue
    throw new UnsupportedError(name, `--${name} is not supported`)
  }
}
