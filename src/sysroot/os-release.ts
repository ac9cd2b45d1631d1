/** Reads the name of an operating system from os-release. Source: os-release(5); ostree-sysroot-deploy.c. */

import { readFileSync, statSync } from 'node:fs'
import { FormatError, LimitError } from '../errors.ts'
import { within } from './files.ts'

const PLACES = ['usr/lib/os-release', 'etc/os-release']
/** Size of the largest file that is read, in bytes. */
const MAX_LENGTH = 1 << 20

/**
 * Returns PRETTY_NAME, or ID, of the os-release file of a tree.
 * @throws {FormatError} `No PRETTY_NAME or ID in /etc/os-release`
 * @throws {LimitError} when the file is larger than 1 MiB
 */
export function prettyName(tree: string): string {
  const values = parseOsRelease(readFirst(tree))
  const name = values.get('PRETTY_NAME') ?? values.get('ID')
  if (name === undefined) throw new FormatError('os-release', 'No PRETTY_NAME or ID in /etc/os-release')
  return name
}

/** Parses os-release text to unquoted values by key; lines that are not assignments are skipped. */
export function parseOsRelease(text: string): Map<string, string> {
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, key, value] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*?)\s*$/.exec(line) ?? []
    if (key !== undefined && value !== undefined) values.set(key, unquote(value))
  }
  return values
}

function unquote(value: string): string {
  if (/^'.*'$/.test(value)) return value.slice(1, -1)
  const inner = /^".*"$/.test(value) ? value.slice(1, -1) : value
  return inner.replaceAll(/\\([\s\S])/g, '$1')
}

function readFirst(tree: string): string {
  for (const place of PLACES) {
    const path = within(tree, place, 'file')
    if (path === undefined) continue
    if (statSync(path).size > MAX_LENGTH) throw new LimitError('os-release', MAX_LENGTH, undefined, place)
    return readFileSync(path, 'utf8')
  }
  return ''
}
