/** Lists the keys of keyrings. Source: ostree-repo.c, ostree_repo_remote_get_gpg_keys; ot-gpg-utils.c; ot-dump.c. */

import { encodeUtf8, toHex } from '../bytes.ts'
import type { TimeFormat } from './describe.ts'
import { formatTime } from './describe.ts'
import type { KeyRings } from './interface.ts'
import { evaluateKey, type KeyState, readKeyBlocks, seconds } from './key-blocks.ts'
import { loadOpenPgp } from './library.ts'
import { parseUserId } from './user-id.ts'

/** Alphabet of z-base-32, in which Web Key Directories are addressed. */
const ZBASE32 = 'ybndrfg8ejkmcpqxot1uwisza345h769'

/**
 * Describes the keys of keyrings as `ostree remote gpg-list-keys` does: fingerprint, dates, user ids with the addresses at
 * which a Web Key Directory would have newer versions of the key, and subkeys.
 * @param now seconds since the epoch
 * @throws {UnsupportedError} when the package openpgp is not installed
 */
export async function describeKeys(rings: KeyRings, now: number, format: TimeFormat = formatTime): Promise<string> {
  const library = await loadOpenPgp()
  let lines: string[] = []
  for (const block of await readKeyBlocks(library, rings)) {
    const { primary, subkeys, users } = await evaluateKey(library, block, now)
    lines = lines.concat(linesOfKey('Key', '', primary, now, format))
    for (const { userId, revoked, valid } of users) {
      const state = `${primary.revoked || revoked ? ' (revoked)' : ''}${valid || revoked ? '' : ' (invalid)'}`
      lines = lines.concat(`  UID: ${userId}${state}`, await updateUrls(parseUserId(userId).email))
    }
    for (const subkey of subkeys) lines = lines.concat(linesOfKey('Subkey', '  ', subkey, now, format))
  }
  return lines.map((line) => `${line}\n`).join('')
}

function linesOfKey(kind: string, indent: string, state: KeyState, now: number, format: TimeFormat): string[] {
  const { packet, revoked, expires } = state
  const fingerprint = toHex(packet.getFingerprintBytes() ?? new Uint8Array()).toUpperCase()
  return [
    `${indent}${kind}: ${fingerprint}${revoked ? ' (revoked)' : ''}`,
    `${indent}  Created: ${format(seconds(packet.created))}`,
    ...(expires === 0 ? [] : [`${indent}  ${expires <= now ? 'Expired' : 'Expires'}: ${format(expires)}`]),
  ]
}

/** Returns the lines with the addresses of a Web Key Directory. Source: draft-koch-openpgp-webkey-service, 3.1. */
async function updateUrls(email: string): Promise<string[]> {
  const at = email.lastIndexOf('@')
  // GPGME has empty addresses for a user id without one.
  if (at < 0) return ['  Advanced update URL: ', '  Direct update URL: ']
  const local = email.slice(0, at).toLowerCase()
  const domain = email.slice(at + 1).toLowerCase()
  const digest = await crypto.subtle.digest('SHA-1', encodeUtf8(local) as BufferSource)
  const bits = Array.from(new Uint8Array(digest), (byte) => byte.toString(2).padStart(8, '0')).join('')
  const hash = bits.replaceAll(/[01]{5}/g, (five) => ZBASE32.charAt(Number.parseInt(five, 2)))
  const path = `hu/${hash}?l=${encodeURIComponent(local)}`
  return [
    `  Advanced update URL: https://openpgpkey.${domain}/.well-known/openpgpkey/${domain}/${path}`,
    `  Direct update URL: https://${domain}/.well-known/openpgpkey/${path}`,
  ]
}
