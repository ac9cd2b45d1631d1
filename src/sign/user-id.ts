/**
 * Names out of user ids, `Name (comment) <email>`.
 *
 * Source: gpgme, key.c, parse_user_id.
 */

export interface UserName {
  readonly name: string
  readonly email: string
}

/** What is not there is empty; an id that is nothing but an address has no name. */
export function parseUserId(text: string): UserName {
  const email = /<([^<>]*)>/.exec(text)?.[1]
  const name = (/^[^<(]*/.exec(text)?.[0] ?? '').trim()
  if (email === undefined && /^[^\s<>()@]+@[^\s<>()@]+$/.test(text)) return { name: '', email: text }
  return { name, email: email ?? '' }
}
