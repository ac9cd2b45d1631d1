/**
 * `ostree remote add-cookie`, `delete-cookie` and `list-cookies`. Source:
 * ot-remote-builtin-{add,delete,list}-cookie*.c.
 */

import { decodeUtf8 } from '../../../bytes.ts'
import { FormatError, IoError } from '../../../errors.ts'
import { addCookie as add, cookieJar, deleteCookie as deleteFromJar, parseCookies } from '../../../repo/internal.ts'
import { command } from '../../command.ts'
import { JSON_OPTION, readBytes } from '../../values.ts'

const LIFETIME_YEARS = 25

export const addCookie = command({
  name: 'remote add-cookie',
  summary: 'Add a cookie to remote',
  usage: 'NAME DOMAIN PATH COOKIE_NAME VALUE',
  repo: true,
  rawArgs: true,
  options: {},
  async run({ args: [remote, domain, path, name, value], repo, usageError }) {
    const opened = await repo()
    if (
      remote === undefined ||
      domain === undefined ||
      path === undefined ||
      name === undefined ||
      value === undefined
    ) {
      throw usageError('NAME, DOMAIN, PATH, COOKIE_NAME and VALUE must be specified')
    }
    const end = new Date()
    end.setUTCFullYear(end.getUTCFullYear() + LIFETIME_YEARS)
    const expires = BigInt(Math.floor(end.getTime() / 1000))
    await add(opened, remote, { domain, path, secure: false, expires, name, value })
  },
})

export const deleteCookie = command({
  name: 'remote delete-cookie',
  summary: 'Remove one cookie from remote',
  usage: 'NAME DOMAIN PATH COOKIE_NAME',
  repo: true,
  rawArgs: true,
  options: {},
  async run({ args: [remote, domain, path, name], repo, usageError }) {
    const opened = await repo()
    if (remote === undefined || domain === undefined || path === undefined || name === undefined) {
      throw usageError('NAME, DOMAIN, PATH and COOKIE_NAME must be specified')
    }
    await deleteFromJar(opened, remote, { domain, path, name })
  },
})

export const listCookies = command({
  name: 'remote list-cookies',
  summary: 'Show remote repository cookies',
  usage: 'NAME',
  repo: true,
  rawArgs: true,
  options: JSON_OPTION,
  async run({ options, args: [remote], out, repo, usageError }) {
    await repo()
    if (remote === undefined) throw usageError('NAME must be specified')
    // As in ostree, the file is read from the current directory, not from the repository.
    for (const cookie of parseCookies(readJarHere(cookieJar(remote)))) {
      const { domain, path, name, secure, expires, value } = cookie
      if (options.json) {
        out.json({ ...cookie, expires: Number(expires) })
        continue
      }
      out.write(`--\nDomain: ${domain}\nPath: ${path}\nName: ${name}\nSecure: ${secure ? 'TRUE' : 'FALSE'}\n`)
      out.write(`Expires: ${formatDate(expires)}\nValue: ${value}\n`)
    }
  },
})

function readJarHere(jar: string): string {
  try {
    const text = decodeUtf8(readBytes(jar, (reason) => reason))
    if (text === undefined) throw new FormatError(jar, 'Invalid UTF-8')
    return text
  } catch (error) {
    if (error instanceof IoError && error.data.errno === 'ENOENT') return ''
    throw error
  }
}

/** Formats a time in UTC: `2051-11-23 12:55:55 +0000`. @param seconds since the epoch */
function formatDate(seconds: bigint): string {
  const date = new Date(Number(seconds) * 1000)
  if (Number.isNaN(date.getTime())) return String(seconds)
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} +0000`
}
