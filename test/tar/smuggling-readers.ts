/**
 * Lists archives as lines of `NAME TYPE SIZE`, with a type of one letter (f file, d directory, l symbolic link, h hard link,
 * ? anything else) and for links ` -> TARGET`: with `TarParser`, and with the programs that read most of the archives there are.
 * An error ends a list as `!`.
 */
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OstreeError } from '../../src/errors.ts'
import { TarParser } from '../../src/tar/index.ts'
import { run } from '../support/reference.ts'

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
const LETTERS: Readonly<Record<string, string>> = {
  file: 'f',
  hardlink: 'h',
  symlink: 'l',
  directory: 'd',
  unknown: 'f',
}
const base64Of = (archives: readonly Uint8Array[]): Uint8Array =>
  new TextEncoder().encode(JSON.stringify(archives.map((bytes) => Buffer.from(bytes).toString('base64'))))

function line(name: string, type: string, size: number, link: string): string {
  const isFile = type === 'f' || type === '?'
  const target = type === 'l' || type === 'h' ? ` -> ${link}` : ''
  return `${name.replace(/\/+$/, '')} ${type} ${isFile ? size : 0}${target}`
}

/** Lists an archive with `TarParser`. Global headers are left out. */
export function listOurs(bytes: Uint8Array): string[] {
  const lines: string[] = []
  const parser = new TarParser({
    entry({ type, path, linkPath, size }) {
      if (type !== 'pax-global') lines.push(line(latin1(path), LETTERS[type] ?? '?', size, latin1(linkPath)))
    },
    data() {},
    end() {},
  })
  try {
    parser.push(bytes)
    parser.finish()
  } catch (error) {
    if (!(error instanceof OstreeError)) throw error
    lines.push('!')
  }
  return lines
}

interface LibarchiveEntry {
  readonly pathname: string
  readonly hardlink: string
  readonly symlink: string
  readonly filetype: number
  readonly size: number
}

/** Lists archives with libarchive, with which libostree reads them. */
export function listLibarchive(archives: readonly Uint8Array[]): string[][] {
  const script = fileURLToPath(new URL('libarchive.py', import.meta.url))
  const outcomes = JSON.parse(run('python3', [script], { input: base64Of(archives) })) as {
    entries: LibarchiveEntry[]
    error: string | null
  }[]
  const text = (hex: string): string => latin1(Buffer.from(hex, 'hex'))
  const types = new Map([
    [0o100000, 'f'],
    [0o120000, 'l'],
    [0o040000, 'd'],
  ])
  return outcomes.map(({ entries, error }) => [
    ...entries.map(({ pathname, hardlink, symlink, filetype, size }) =>
      line(text(pathname), hardlink === '' ? (types.get(filetype) ?? '?') : 'h', size, text(hardlink || symlink)),
    ),
    ...(error === null ? [] : ['!']),
  ])
}

/** Lists archives with Python's module tarfile, which changes with the version of Python. */
export function listPython(archives: readonly Uint8Array[]): string[][] {
  const script = fileURLToPath(new URL('tarfile-list.py', import.meta.url))
  return JSON.parse(run('python3', [script], { input: base64Of(archives) })) as string[][]
}

/** Lists archives with GNU tar. @param folder a temporary folder */
export function listGnuTar(archives: readonly Uint8Array[], folder: string): string[][] {
  const path = join(folder, 'archive.tar')
  const args = ['--list', '--verbose', '--numeric-owner', '--quoting-style=literal', '--utc', '--file', path]
  return archives.map((bytes) => {
    writeFileSync(path, bytes)
    const { status, stdout } = spawnSync('tar', args, { encoding: 'latin1', env: { ...process.env, LC_ALL: 'C' } })
    rmSync(path)
    const lines = stdout.split('\n').slice(0, -1)
    return [...lines.map(gnuLine), ...(status === 0 ? [] : ['!'])]
  })
}

/** `-rw-r--r-- 0/0     5 1970-01-01 00:00 NAME`, with ` -> TARGET` or ` link to TARGET` behind the name of a link. */
function gnuLine(text: string): string {
  const [, type = '', size = '', rest = ''] = /^(.)\S+ +\S+ +(\S+) +\S+ \S+ (.*)$/.exec(text) ?? []
  const [name = '', target = ''] = rest.split(/ -> | link to /)
  const letter = { '-': 'f', d: 'd', l: 'l', h: 'h', C: 'f' }[type] ?? '?'
  return line(name, letter, Number(size) || 0, target)
}
