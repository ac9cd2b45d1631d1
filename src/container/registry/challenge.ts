/**
 * What a registry wants to be shown: the header `WWW-Authenticate`.
 *
 *     Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a/b:pull", Basic realm="x"
 *
 * Servers quote in many ways, and several headers come joined by commas, so the reader is lenient: what it cannot make
 * sense of it skips. Source: RFC 9110, section 11.6.1.
 */

export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>
}

/** Characters; what is longer is cut. */
const MAX_HEADER_LENGTH = 16 * 1024
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
/** `=` of a parameter, with what follows the name. */
const EQUALS = /[ \t]*=[ \t]*/y
const BARE_VALUE = /[^\s,]*/y
/** Credentials of schemes like `Negotiate`: base64 in place of parameters. */
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y

/** @returns the challenges in the order they stand */
export function parseChallenges(header: string): Challenge[] {
  const text = header.slice(0, MAX_HEADER_LENGTH)
  const challenges: Challenge[] = []
  let parameters: Map<string, string> | undefined
  let at = 0
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) at = pattern.lastIndex
    return found
  }
  while (at < text.length) {
    const name = match(TOKEN)?.toLowerCase()
    if (name === undefined) {
      at++ // commas and spaces between things, and whatever does not belong there
    } else if (parameters !== undefined && match(EQUALS) !== undefined) {
      const value = text[at] === '"' ? quoted() : (match(BARE_VALUE) ?? '')
      // the first counts: nobody can take back what a server said by saying it twice
      if (!parameters.has(name)) parameters.set(name, value)
    } else {
      parameters = new Map()
      challenges.push({ scheme: name, parameters })
      match(/[ \t]+/y)
      match(TOKEN68)
    }
  }
  return challenges

  /** From an opening quote past the closing one; a string that is not closed reaches to the end. */
  function quoted(): string {
    let value = ''
    for (at++; at < text.length && text[at] !== '"'; at++) {
      if (text[at] === '\\' && at + 1 < text.length) at++
      value += text[at]
    }
    at++
    return value
  }
}
