/**
 * Parses the header `WWW-Authenticate`, in which a registry lists the authentication it accepts.
 *
 *     Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a/b:pull", Basic realm="x"
 *
 * Servers quote values in different ways, and several headers arrive joined by commas. The parser is therefore lenient:
 * it skips characters that it does not expect. Source: RFC 9110, section 11.6.1.
 */

/** One authentication scheme that a registry accepts. */
export interface Challenge {
  /** Lower case, such as `bearer` or `basic`. */
  readonly scheme: string
  /** Values by parameter name. The names are in lower case. */
  readonly parameters: ReadonlyMap<string, string>
}

/** UTF-16 code units of the header that are parsed. The rest is ignored. */
const MAX_HEADER_LENGTH = 16 * 1024
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y
/** The `=` between name and value of a parameter, with the spaces and tabs around it. */
const EQUALS = /[ \t]*=[ \t]*/y
const BARE_VALUE = /[^\s,]*/y
/** The token68 of schemes such as `Negotiate`: base64 in place of parameters. */
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y

/** Returns the challenges of a header, in their order there. */
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
      at++ // A comma, a space, or an unexpected character.
    } else if (parameters !== undefined && match(EQUALS) !== undefined) {
      const value = text[at] === '"' ? quoted() : (match(BARE_VALUE) ?? '')
      // Of a repeated parameter the first value counts, so that text appended to the header cannot override it.
      if (!parameters.has(name)) parameters.set(name, value)
    } else {
      parameters = new Map()
      challenges.push({ scheme: name, parameters })
      match(/[ \t]+/y)
      match(TOKEN68)
    }
  }
  return challenges

  /** Reads a quoted string and moves past its closing quote. Without a closing quote it extends to the end. */
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
