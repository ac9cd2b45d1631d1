/**
 * Formats verification results as text.
 *
 * Source: ostree-gpg-verify-result.c (ostree_gpg_verify_result_describe_variant).
 */

import type { OpenPgpSignature } from './interface.ts'

/** Formats seconds since the epoch; ostree shows local time, as strftime's `%c`. */
export type TimeFormat = (seconds: number) => string

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** GLib pads days of one digit with it. */
const FIGURE_SPACE = '\u2007'

/** Formats seconds since the epoch as `Mon Nov 23 08:03:56 2026`, UTC. For local time add the offset first. */
export function formatTime(seconds: number): string {
  const date = new Date(seconds * 1000)
  const day = String(date.getUTCDate()).padStart(2, FIGURE_SPACE)
  const time = date.toISOString().slice(11, 19)
  return `${DAYS[date.getUTCDay()]} ${MONTHS[date.getUTCMonth()]} ${day} ${time} ${date.getUTCFullYear()}`
}

/** Formats a result as `ostree show` does: lines, each with `prefix` before it and a newline after it. */
export function describeSignature(signature: OpenPgpSignature, prefix = '', format: TimeFormat = formatTime): string {
  const { status, key, keyId } = signature
  const isBad = status === 'bad'
  const made = format(isBad ? 0 : signature.created)
  const algorithm = isBad ? undefined : signature.algorithm
  const lines = [`Signature made ${made} using ${algorithm ?? '[unknown name]'} key ID ${keyId}`, judgement(signature)]
  if (key !== undefined) {
    const { fingerprint, primaryFingerprint } = key
    // GnuPG names the key of a bad signature by its key id, which never equals a fingerprint.
    const isPrimary = !isBad && fingerprint === primaryFingerprint
    const isKeyExpired = status === 'key-expired'
    if (!isPrimary) lines.push(`Primary key ID ${primaryFingerprint.slice(-16)}`)
    if (!isBad && signature.expires > 0) lines.push(span('Signature', status === 'expired', signature.expires, format))
    if (!isBad && key.expires > 0) lines.push(span('Key', isKeyExpired, key.expires, format))
    if (!isPrimary && key.primaryExpires > 0) {
      lines.push(span('Primary key', isKeyExpired, key.primaryExpires, format))
    }
  }
  return lines.map((line) => `${prefix}${line}\n`).join('')
}

function judgement({ status, key }: OpenPgpSignature): string {
  const name = key === undefined ? '[unknown name] <[unknown email]>' : `${key.name} <${key.email}>`
  switch (status) {
    case 'missing-key':
      return "Can't check signature: public key not found"
    case 'good':
      return `Good signature from "${name}"`
    case 'key-revoked':
      return 'Key revoked'
    case 'expired':
      return `Expired signature from "${name}"`
    default:
      return `BAD signature from "${name}"`
  }
}

function span(what: string, isOver: boolean, end: number, format: TimeFormat): string {
  return `${what} ${isOver ? 'expired' : 'expires'} ${format(end)}`
}
