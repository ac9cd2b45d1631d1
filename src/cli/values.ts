/** Options and values that several commands share. */

import { readFileSync } from 'node:fs'
import { decodeUtf8 } from '../bytes.ts'
import { FormatError, IoError, UnsupportedError, UsageError } from '../errors.ts'
import type { OptionTable } from './options.ts'

/** One JSON value in place of the text, or one a line where there are many. Ours, so not in the help. */
export const JSON_OPTION = { json: { type: 'flag', hidden: true } } as const satisfies OptionTable

/** What is raw is no JSON. @throws {UsageError} */
export function refuseRaw({ raw }: { readonly raw: boolean }): void {
  if (raw) throw new UsageError('Cannot specify both --raw and --json')
}

const YES = ['1', 'true', 'yes']
const NO = ['0', 'false', 'no', 'none']

/** `--fsync=POLICY`; absent, the repository's configuration decides. @throws {UsageError} `Invalid boolean argument 'X'` */
export function parseFsync(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined
  const word = text.toLowerCase()
  if (YES.includes(word)) return true
  if (NO.includes(word)) return false
  throw new UsageError(`Invalid boolean argument '${text}'`, '--fsync')
}

/** @throws {IoError} `openat(PATH): No such file or directory`; {FormatError} unless it is UTF-8 */
export function readTextFile(path: string): string {
  const text = decodeUtf8(readBytes(path, (reason) => `openat(${path}): ${reason}`))
  if (text === undefined) throw new FormatError(path, 'Invalid UTF-8')
  return text
}

/** @param message from the words of the system */
export function readBytes(path: string | number, message: (reason: string) => string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw fileError(error, String(path), message)
  }
}

export function fileError(error: unknown, path: string, message: (reason: string, errno: string) => string): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error
  const errno = String(error.code)
  return new IoError(message(REASONS[errno] ?? errno, errno), errno, path, { cause: error })
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
}

/** Refuses the options that are listed for the sake of compatibility. @throws {UnsupportedError} naming the first given */
export function refuseOptions(values: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  for (const name of names) {
    const value = values[name]
    if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) continue
    throw new UnsupportedError(name, `--${name} is not supported`)
  }
}
