/**
 * Derives the permission bits of an entry from its POSIX access ACL, the PAX record `SCHILY.acl.access`:
 *
 * ```
 * user::rw-,user:lisa:rwx:1000,group::r--,mask::rwx,other::---      0640: user, group and other without a name
 * ```
 *
 * In a file system the group bits of a file with an ACL are those of its mask, and writers of archives put these into the
 * header. Without the ACL, which ostree does not store, they would give the group rights that it does not have.
 * libarchive, and so ostree, takes the bits of the three nameless entries. Default ACLs change nothing.
 *
 * Source: libarchive 3.6.2, archive_acl.c, archive_acl_from_text_l and acl_special.
 */

import type { TarHeader } from '../../../tar/index.ts'

const ACCESS_ACL = 'SCHILY.acl.access'
const decoder = new TextDecoder('latin1')

/** Shifts of the permission bits by the first letter of a tag. */
const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 }
const TAGS: ReadonlySet<string> = new Set(['u', 'user', 'g', 'group', 'o', 'other'])

/** Returns the permission bits of an entry, with those that its ACL gives. */
export function permissionsOf({ mode, pax }: Pick<TarHeader, 'mode' | 'pax'>): number {
  let permissions = mode
  for (const { key, value } of pax) {
    if (key === ACCESS_ACL) permissions = withAcl(permissions, decoder.decode(value))
  }
  return permissions
}

/** Applies the text of an ACL, up to a NUL. Malformed entries are skipped. */
function withAcl(mode: number, text: string): number {
  let permissions = mode
  for (const fields of entriesOf(text.split('\0', 1)[0] as string)) {
    const found = readEntry(fields)
    if (found !== undefined) permissions = (permissions & ~(7 << found.shift)) | (found.bits << found.shift)
  }
  return permissions
}

/** Splits an ACL into entries, which end at a comma or a new line, and these into fields. `#` begins a comment. */
function* entriesOf(text: string): Generator<string[], void, undefined> {
  for (let at = 0; at < text.length; ) {
    const fields: string[] = []
    let separator: string
    do {
      // A field may begin on a later line.
      at += matchAt(/[ \t\n]*/y, text, at).length
      const field = matchAt(/[^,:\n#]*/y, text, at)
      at += field.length
      if (text[at] === '#') at += matchAt(/[^,\n]*/y, text, at).length
      separator = text[at++] ?? ''
      fields.push(trimEnd(field))
    } while (separator === ':')
    yield fields
  }
}

/** Removes spaces and tabs at the end. */
function trimEnd(field: string): string {
  let end = field.length
  while (end > 0 && (field[end - 1] === ' ' || field[end - 1] === '\t')) end--
  return field.slice(0, end)
}

function matchAt(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}

/** Reads an entry. @returns `undefined` unless it is a well-formed one of the user, the group or others without a name */
function readEntry(fields: readonly string[]): { shift: number; bits: number } | undefined {
  const [tag = '', name = '', modeField, id = ''] = fields
  const shift = SHIFTS[tag[0] ?? '']
  if (shift === undefined || !TAGS.has(tag)) return undefined
  if (shift > 0) return name !== '' || /^[0-9]+$/.test(id) ? undefined : bitsAt(shift, modeField)
  // Solaris writes `other:rwx`. libarchive takes the letters before one that is not valid, if they set a bit.
  if (fields.length === 2) return bitsAt(shift, name) ?? bitsAt(shift, /^[-rwxRWX]*[rwxRWX]/.exec(name)?.[0])
  return fields.length === 3 && name !== '' ? undefined : bitsAt(shift, modeField)
}

/** Reads letters, of which each sets a bit, or is `-`. */
function bitsAt(shift: number, letters: string | undefined): { shift: number; bits: number } | undefined {
  if (letters === undefined || !/^[-rwxRWX]+$/.test(letters)) return undefined
  const has = (letter: RegExp, bit: number) => (letter.test(letters) ? bit : 0)
  return { shift, bits: has(/r/i, 4) | has(/w/i, 2) | has(/x/i, 1) }
}
