/**
 * Parses OpenPGP user ids, `Name (comment) <email>`.
 *
 * Source: gpgme, key.c, parse_user_id.
 */

/** Parts of a user id. */
export interface UserName {
  readonly name: string
  readonly email: string
}

/** Splits a user id into name and address. A missing part is empty; an id that is only an address has no name. */
export function parseUserId(text: string): UserName {
  const email = /<([^<>]*)>/.exec(text)?.[1]
  const name = (/^[^<(]*/.exec(text)?.[0] ?? '').trim()
  if (email === undefined && /^[^\s<>()@]+@[^\s<>()@]+$/.test(text)) return { name: '', email: text }
  return { name, email: email ?? '' }
}
