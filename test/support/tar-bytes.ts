/** Archives with any names, types and PAX records, also such as correct programs do not write. */
import { concatBytes, encodeUtf8 } from '../../src/bytes.ts'

export interface TarEntry {
  readonly name: string | Uint8Array
  /** The type flag of the header. By default `0`, a regular file. */
  readonly type?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly link?: string | Uint8Array
  readonly content?: string | Uint8Array
  /** PAX records, in order. */
  readonly pax?: readonly (readonly [key: string | Uint8Array, value: string | Uint8Array])[]
}

/** Shorthands for entries. */
export const file = (name: string | Uint8Array, content = 'x', more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  content,
  ...more,
})
export const dir = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({ name, type: '5', mode: 0o755, ...more })
export const symlink = (name: string, link: string | Uint8Array, more: Partial<TarEntry> = {}): TarEntry => {
  return { name, type: '2', mode: 0o777, link, ...more }
}
export const hardlink = (name: string, link: string, more: Partial<TarEntry> = {}): TarEntry => ({
  name,
  type: '1',
  link,
  ...more,
})

const BLOCK = 512
const raw = (text: string | Uint8Array) => (typeof text === 'string' ? encodeUtf8(text) : text)

/** Packs entries into an archive. Names of more than 100 bytes become PAX records. */
export function tarBytes(entries: readonly TarEntry[]): Uint8Array {
  return concatBytes([...entries.flatMap(entryBlocks), new Uint8Array(2 * BLOCK)])
}

function entryBlocks(entry: TarEntry): Uint8Array[] {
  const records = [...(entry.pax ?? [])]
  if (raw(entry.name).length > 100) records.push(['path', entry.name])
  if (raw(entry.link ?? '').length > 100) records.push(['linkpath', entry.link ?? ''])
  if (records.length === 0) return entryBlock(entry)
  const content = concatBytes(records.map(([key, value]) => paxRecord(raw(key), raw(value))))
  return [...entryBlock({ name: 'PaxHeaders/x', type: 'x', content }), ...entryBlock(entry)]
}

function entryBlock({
  name,
  type = '0',
  mode = 0o644,
  uid = 0,
  gid = 0,
  link = '',
  content = '',
}: TarEntry): Uint8Array[] {
  const body = raw(content)
  const header = new Uint8Array(BLOCK)
  const octal = (value: number, offset: number, width: number) =>
    header.set(encodeUtf8(value.toString(8).padStart(width - 1, '0')), offset)
  header.set(raw(name).subarray(0, 100), 0)
  octal(mode, 100, 8)
  octal(uid, 108, 8)
  octal(gid, 116, 8)
  octal(body.length, 124, 12)
  octal(0, 136, 12)
  header.fill(0x20, 148, 156)
  header.set(encodeUtf8(type), 156)
  header.set(raw(link).subarray(0, 100), 157)
  header.set(encodeUtf8('ustar\u000000'), 257)
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    8,
  )
  return [header, body, new Uint8Array((BLOCK - (body.length % BLOCK)) % BLOCK)]
}

function paxRecord(key: Uint8Array, value: Uint8Array): Uint8Array {
  const rest = concatBytes([encodeUtf8(' '), key, encodeUtf8('='), value, encodeUtf8('\n')])
  let length = rest.length + 1
  while (`${length}`.length + rest.length !== length) length = `${length}`.length + rest.length
  return concatBytes([encodeUtf8(`${length}`), rest])
}
